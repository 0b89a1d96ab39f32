// What stands in tables and lists: times, who holds a connection, counts, errors, settings.

const SHORT = 10;

function times() {
  const rows = [["count", "count", count], ["mean", "mean", time], ["p50", "p50", time], ["p90", "p90", time], ["p99", "p99", time], ["p99.9", "p999", time], ["longest", "max", time]];
  const cells = rows.map(([word]) => element("tr", {}, element("th", { scope: "row" }, word), element("td"), element("td")));
  const head = element("tr", {}, element("td"), element("th", { scope: "col" }, "wait"), element("th", { scope: "col" }, "hold"));
  const node = element("section", {}, element("h3", {}, "Waits until hand-out, and holds"), element("table", { class: "figures" }, element("thead", {}, head), element("tbody", {}, ...cells)));
  const update = (status) => rows.forEach(([, name, write], index) => {
    [status.connection_acquisition_time, status.connection_hold_time].forEach((times, column) => {
      say(cells[index].children[column + 1], times.count > 0 || name === "count" ? write(times[name]) : "–");
    });
  });
  return { node, update };
}

function holders() {
  const columns = ["held for", "source line", "thread", "connection"];
  // The roles are said again, because on a phone the rows are laid out as grids, which are no table to a screen reader.
  const heads = columns.map((word) => element("th", { scope: "col", role: "columnheader" }, word));
  const body = element("tbody", { role: "rowgroup" });
  const more = element("button", { type: "button" });
  const title = element("h3");
  const table = element("table", { class: "holders", role: "table" }, element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)), body);
  const node = element("section", { class: "wide" }, title, table, more);
  let [all, last] = [false, undefined];
  const update = (status) => {
    last = status;
    const number = status.holders.length;
    say(title, number === 0 ? "Nobody holds a connection" : `Who holds a connection: ${count(number)}, the longest first`);
    table.hidden = number === 0;
    more.hidden = number <= SHORT;
    say(more, all ? `Show the ${SHORT} longest` : `Show all ${count(number)}`);
    mark(more, "aria-expanded", String(all));
    const make = () => element("tr", { role: "row" }, ...columns.map(() => element("td", { role: "cell" })));
    match(body, all ? status.holders : status.holders.slice(0, SHORT), make, (row, holder) => {
      say(row.children[0], holder.held_for < 1 ? time(holder.held_for) : lasting(holder.held_for));
      say(row.children[1], holder.location);
      say(row.children[2], holder.thread);
      say(row.children[3], count(holder.connection_id));
    });
  };
  more.addEventListener("click", () => {
    all = !all;
    update(last);
  });
  return { node, update };
}

// A title and pairs of a term and its value; nothing is shown of a value that is not there.
function facts(title, pairs, attributes = {}) {
  const list = element("dl");
  const node = element("section", attributes, element("h3", {}, title), list);
  const make = () => element("div", {}, element("dt"), element("dd"));
  const update = (status) => {
    const shown = pairs(status).filter(([, value]) => value !== null && value !== undefined);
    node.hidden = shown.length === 0;
    match(list, shown, make, (pair, [term, value]) => {
      say(pair.firstChild, term);
      say(pair.lastChild, value);
    });
  };
  return { node, update };
}

function errors(status) {
  const checked = status.last_health_check && `${status.last_health_check_error ?? "the database answered"}, ${since(status, status.last_health_check)}`;
  const number = (value) => (value > 0 ? count(value) : null);
  return [
    ["last connect error", status.last_error ? `${status.last_error}, ${since(status, status.last_error_at)}` : "none"],
    ["last health check", checked ?? "none yet"],
    ["calls that failed", count(status.failed_checkouts)],
    ["of them timed out", count(status.connection_timeouts)],
    ["failed connects", count(status.connection_errors)],
    ["of them refused by a full server", number(status.refused_full)],
    ["failed tests before hand-out", number(status.validation_failures)],
    ["failed health checks", number(status.health_check_failures)],
    ["failed hooks", number(status.hook_failures)],
    ["calls refused by max_waiting", number(status.overloaded_count)],
    ["driver calls that hang now", number(status.abandoned)],
    ["abandoned connects", number(status.abandoned_connects)],
  ];
}

function counts(status) {
  const reasons = Object.entries(status.closed_by_reason).map(([reason, number]) => `${count(number)} ${reason.replaceAll("_", " ")}`);
  const recent = status.recent;
  return [
    ["handed out", count(status.checkouts)],
    ["calls that waited, served or not", count(status.waited)],
    ["of them for want of a connection", count(status.pool_exhausted_count)],
    ["opened", count(status.total_connections_created)],
    ["closed", count(status.total_connections_closed)],
    ["closed by reason", reasons.length > 0 ? reasons.join(", ") : null],
    ["detached", status.detached > 0 ? count(status.detached) : null],
    ["in the last 5 minutes", recent && `${count(recent.checkouts)} handed out, ${count(recent.failed_checkouts)} failed, ${count(recent.connection_timeouts)} of them timed out; ${count(recent.waited)} waited, ${count(recent.pool_exhausted_count)} of them for want of a connection; in use at the 99th percentile: ${count(recent.checked_out_p99)}`],
  ];
}

function peaks(status) {
  const peak = (value, at) => (at ? `${count(value)}, ${since(status, at)}` : count(value));
  return [
    ["in use", peak(status.peak_checked_out, status.peak_checked_out_at)],
    ["open", peak(status.peak_total, status.peak_total_at)],
    ["waiting", peak(status.peak_waiting, status.peak_waiting_at)],
  ];
}

function server(status) {
  const limit = status.server_limit;
  if (!limit) {
    return [["connections", "not known"]];
  }
  const own = limit.for_user_or_database;
  const left = Math.min(Math.max(0, limit.max_connections - limit.reserved), own ?? Infinity);
  return [
    ["connections", count(limit.max_connections)],
    ["reserved", count(limit.reserved)],
    ["for this user and database", own === null ? null : count(own)],
    ["pools of this capacity that fit", count(Math.floor(left / Math.max(1, status.total_capacity)))],
  ];
}

// The settings that are seconds.
const TIMES = new Set([
  "timeout", "recycle", "pre_ping_window", "outage_timeout", "connect_timeout", "command_timeout", "idle_timeout", "keepalive",
  "retry.initial_delay", "retry.max_delay", "health_check_interval", "health_check_timeout", "metrics_collection_interval", "leak_after", "holder_warn_after",
]);

function configuration(status) {
  const write = (name, value) => {
    if (typeof value === "boolean") {
      return value ? "on" : "off";
    }
    if (value === null) {
      return name === "recycle" ? "never" : name === "mode" ? "the driver's" : "off";
    }
    if (TIMES.has(name)) {
      return lasting(value) === "0 s" || value % 1 ? time(value) : lasting(value);
    }
    return typeof value === "number" ? count(value) : String(value);
  };
  return [["pool type", status.pool_type], ...Object.entries(status.configuration).map(([name, value]) => [name, write(name, value)])];
}
