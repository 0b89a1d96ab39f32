// Asks the service every two seconds while somebody looks, and shows what it says.

const EVERY = 2000;
// A service that has accepted and says nothing is not reached either.
const PATIENCE = 10e3;

const at = (id) => document.getElementById(id);
const pools = new Map();
const rows = new Map();
const opened = new Date();
const agreed = new Map();
let reached;
let timer;
let under_way = false;

async function read(path, signal) {
  const answer = await fetch(path, { cache: "no-store", signal });
  if (!answer.ok) {
    throw new Error(`it answered ${answer.status} to ${path}`);
  }
  return answer.json();
}

function remembered() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem("queuepool open") ?? "[]"));
  } catch {
    return new Map();
  }
}

function remember(name, open) {
  try {
    sessionStorage.setItem("queuepool open", JSON.stringify([...remembered().set(name, open)]));
  } catch {
    // Without storage the page forgets when it is loaded again.
  }
}

async function refresh() {
  if (under_way || document.hidden) {
    return;
  }
  under_way = true;
  clearTimeout(timer);
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    let answer;
    try {
      answer = await read("status", signal);
      // Of a pool that is gone there is no history to ask for.
      const open = [...pools.values()].filter((pool) => pool.node.open && Object.hasOwn(answer.pools, pool.name));
      await Promise.all(open.map((pool) => pool.history.read(signal)));
    } catch (error) {
      showOutage(error);
      return;
    }
    reached = new Date();
    if (!at("outage").hidden) {
      at("outage").hidden = true;
      document.body.classList.remove("lost");
      say(at("announcer"), "The service answers again.");
    }
    show(answer);
  } finally {
    under_way = false;
    if (!document.hidden) {
      timer = setTimeout(refresh, EVERY);
    }
  }
}

function showOutage(error) {
  const from = reached ?? opened;
  const shown = reached ? " What stands below is of that time." : "";
  const first = at("outage").hidden;
  at("outage").hidden = false;
  document.body.classList.add("lost");
  const words = error.name === "TimeoutError" ? "it does not answer" : error.message;
  say(at("outage"), `The service has not been reached since ${moment(from)}, for ${lasting((Date.now() - from) / 1e3)} (${words}).${shown} The page goes on trying.`);
  say(at("live"), "not reached");
  if (first) {
    say(at("announcer"), "The service cannot be reached.");
    document.title = "not reached – queuepool";
  }
}

function show(answer) {
  const all = Object.entries(answer.pools);
  const names = new Set(all.map(([name]) => name));
  for (const [name, pool] of pools) {
    if (!names.has(name)) {
      pool.node.remove();
      rows.get(name).node.remove();
      pools.delete(name);
      rows.delete(name);
    }
  }
  const open = remembered();
  const wanted = wantedName();
  let fresh = 0;
  const sickest = [...all].sort(([, one], [, other]) => levelOf(other) - levelOf(one) || other.waiting_requests - one.waiting_requests || other.capacity_utilization - one.capacity_utilization);
  for (const [name] of all) {
    if (!pools.has(name)) {
      // The first look is at the one that needs it most.
      const first = open.get(name) ?? (name === sickest[0][0] && pools.size === fresh);
      pools.set(name, new PoolSection(name, first));
      rows.set(name, overviewRow(name));
      fresh += 1;
    }
  }
  at("overview").hidden = all.length < 2;
  // The overview has the sick ones first; below each pool keeps its place, so that nothing moves under the reader.
  arrange(at("overview"), sickest.map(([name]) => rows.get(name).node));
  arrange(at("pools"), all.map(([name]) => pools.get(name).node));
  for (const [name, status] of all) {
    rows.get(name).update(status);
    pools.get(name).update(status);
  }
  showVerdict(all, answer);
  announce(all);
  if (fresh > 0 && pools.has(wanted)) {
    pools.get(wanted).show();
  }
  if (fresh > 0) {
    queueMicrotask(refresh);
  }
}

function showVerdict(all, answer) {
  const sick = all.filter(([, status]) => levelOf(status) > 0);
  const worst = Math.max(0, ...all.map(([, status]) => levelOf(status)));
  const one = () => `${sick[0][0]}: ${badges(sick[0][1]).filter((badge) => badge.level > 0).map((badge) => badge.word).join(", ")}`;
  const well = all.length === 1 ? `${all[0][0]} is healthy` : `All ${all.length} pools are healthy`;
  const many = `${sick.length} of ${all.length} pools need attention`;
  const verdict = all.length === 0 ? "There are no pools" : sick.length === 0 ? well : sick.length === 1 ? one() : many;
  say(at("verdict"), verdict);
  mark(at("verdict"), "data-level", LEVELS[worst]);
  document.title = `${SIGNS[worst]} ${verdict} – queuepool`;
  say(at("version"), `queuepool ${answer.version}`);
  say(at("live"), `live, ${moment(Date.parse(answer.timestamp))}`);
}

// Said aloud only when it changes.
function announce(all) {
  const news = [];
  for (const [name, status] of all) {
    const words = badges(status).map((badge) => badge.word).join(", ");
    if (agreed.has(name) && agreed.get(name) !== words) {
      news.push(`${name} is now: ${words}.`);
    }
    agreed.set(name, words);
  }
  if (news.length > 0) {
    say(at("announcer"), news.join(" "));
  }
}

function wantedName() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function follow() {
  pools.get(wantedName())?.show();
}

say(at("zone"), ` (${Intl.DateTimeFormat().resolvedOptions().timeZone})`);
addEventListener("hashchange", follow);
at("overview").addEventListener("click", (event) => {
  // The same link again changes no hash.
  if (event.target.closest("a")?.hash === location.hash) {
    follow();
  }
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
refresh();
