// What is wrong with a pool, beyond its health: each with how bad it is, a word for it, and a sentence. What to do is in the
// recommendations.

const LEVELS = ["healthy", "warning", "critical"];
const SIGNS = ["✓", "!", "✕"];

// How long a failed connect is news, in seconds, if none has succeeded since.
const NEWS = 60;

function findings(status) {
  const found = [];
  const age = (at) => (Date.parse(status.at) - Date.parse(at)) / 1e3;
  if (status.closed) {
    found.push({ level: 1, word: "closed", text: "The pool is closed: every checkout fails." });
    return found;
  }
  if (status.database_error !== null) {
    // The recommendations say the error too.
    const told = status.recommendations.some((text) => text.includes(status.database_error));
    found.push({ level: 2, word: "database unreachable", text: `The database cannot be reached${told ? "." : `: ${status.database_error}`}` });
  } else if (status.full_since !== null) {
    found.push({ level: 1, word: "server full", text: `The server accepts no more connections since ${since(status, status.full_since)}; this pool has ${count(status.total)} of ${count(status.total_capacity)}.` });
  } else if (status.connects_fail_for !== null && age(status.last_error_at) < NEWS) {
    found.push({ level: 1, word: "connects fail", text: `A connect failed at ${since(status, status.last_error_at)}: ${status.last_error}` });
  }
  if (status.unsuited_for !== null) {
    found.push({ level: 1, word: "read-only", text: `The server has been read-only for ${lasting(status.unsuited_for)}, and was not before.` });
  }
  if (status.leak_detected) {
    // Under load, a pool can be full for as long while nobody keeps a connection. The recommendations say which it is, and since when.
    const kept = status.holders.some((holder) => holder.held_for > status.configuration.leak_after);
    found.push({ level: 2, word: kept ? "leak suspected" : "full for long", text: "" });
  }
  if (status.waiting_requests > 0) {
    const oldest = status.holders[0];
    // The recommendations may have named it already.
    const named = oldest && status.recommendations.some((text) => text.includes(oldest.location));
    const holder = oldest && !named ? ` The longest holder is ${oldest.thread} at ${oldest.location}, for ${lasting(oldest.held_for)}.` : "";
    found.push({ level: 0, word: "", text: `${counted(status.waiting_requests, "caller waits", "callers wait")} for a connection.${holder}` });
  }
  return found;
}

function levelOf(status) {
  return Math.max(LEVELS.indexOf(status.health), ...findings(status).map((finding) => finding.level));
}

// What is wrong, then what to do.
function advice(status) {
  const found = findings(status);
  const advised = status.recommendations.filter((text) => found.length === 0 || !text.startsWith("Pool is healthy."));
  return { found: found.map((finding) => finding.text).filter((text) => text), advised };
}

// The health's word is the pool's own; the others stand beside it.
function badges(status) {
  const others = findings(status).filter((finding) => finding.word);
  const health = { level: LEVELS.indexOf(status.health), word: status.health };
  if (others.length > 0 && health.level === 0) {
    // Only its places are: no green beside what is wrong, and no such word where callers wait for them.
    return status.waiting_requests > 0 ? others : [...others, { level: -1, word: "capacity healthy" }];
  }
  return [health, ...others].sort((one, other) => other.level - one.level);
}

function showBadges(parent, status) {
  const make = () => element("span", { class: "badge" }, element("span", { "aria-hidden": "true" }), element("span"));
  match(parent, badges(status), make, (node, badge) => {
    mark(node, "data-level", LEVELS[badge.level] ?? "none");
    say(node.firstChild, SIGNS[badge.level] ?? "·");
    say(node.lastChild, badge.word);
  });
}

function inUse(status) {
  const waiting = status.waiting_requests > 0 ? `, ${count(status.waiting_requests)} waiting` : "";
  return `${count(status.checked_out)} of ${count(status.total_capacity)} in use${waiting}`;
}
