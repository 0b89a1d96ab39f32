// A pool's capacity as a bar of seats: one for each place, and one for each caller who waits; of large pools, bars of
// the same proportions.

// More seats than this are a grey mass on a phone.
const MOST_SEATS = 120;
const MOST_WAITING = 60;

// In use first, and of the open ones those beyond pool_size as overflow.
function runs(status) {
  const base = status.size || status.total_capacity;
  const result = [];
  let seat = 0;
  const take = (kind, number) => {
    const within = Math.max(0, Math.min(number, base - seat));
    result.push([kind, within], [kind === "free" ? kind : `${kind} beyond`, number - within]);
    seat += number;
  };
  take("used", status.checked_out);
  take("busy", status.checked_in - status.idle_connections);
  take("idle", status.idle_connections);
  take("opening", status.opening_connections);
  take("free", Math.max(0, status.total_capacity - seat));
  return result.filter(([, number]) => number > 0);
}

// What the seats show, in words, the legend and the screen reader's text alike.
function legend(status) {
  const free = Math.max(0, status.total_capacity - status.total - status.opening_connections);
  return [
    ["used", status.checked_out, "in use", true],
    ["idle", status.idle_connections, "idle", true],
    ["busy", status.checked_in - status.idle_connections, "being tested, reset or closed", false],
    ["beyond", status.overflow, "overflow (open beyond pool_size)", status.size > 0 && status.max_overflow > 0],
    ["opening", status.opening_connections, "being opened", false],
    ["free", free, "free to open", true],
    ["waiting", status.waiting_requests, "waiting", true],
  ].filter(([, number, , always]) => always || number > 0);
}

function seats() {
  const [row, queue] = [element("div", { class: "row" }), element("div", { class: "row queue" })];
  const picture = element("div", { class: "seats", role: "img" }, row, queue);
  const words = element("ul", { class: "legend" });
  const node = element("div", {}, picture, words);
  const update = (status) => {
    const entries = legend(status);
    mark(picture, "aria-label", `${count(status.total_capacity)} places: ${entries.map(([, number, what]) => `${count(number)} ${what}`).join(", ")}`);
    showRuns(row, runs(status), status.total_capacity > MOST_SEATS);
    const waiting = status.waiting_requests;
    showRuns(queue, waiting > 0 ? [["waiting", waiting]] : [], waiting > MOST_WAITING);
    // On the scale of the bar above, where it fits.
    queue.style.width = waiting > MOST_WAITING ? `${Math.min(100, (waiting / status.total_capacity) * 100)}%` : "";
    const make = () => element("li", {}, element("i", { "aria-hidden": "true" }), element("b"), element("span"));
    match(words, entries, make, (item, [kind, number, what]) => {
      mark(item.children[0], "class", `seat ${kind}`);
      say(item.children[1], count(number));
      say(item.children[2], what);
    });
  };
  return { node, update };
}

function showRuns(parent, all, proportional) {
  parent.classList.toggle("proportional", proportional);
  const things = proportional ? all : all.flatMap(([kind, number]) => Array(number).fill([kind, 1]));
  match(parent, things, () => element("i"), (node, [kind, number]) => {
    mark(node, "class", `seat ${kind}`);
    node.style.flexGrow = proportional ? number : "";
  });
}
