// How things are made and how figures are written. All text goes through textContent: names, threads, source lines and
// error texts come from outside.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function drawing(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// A write that changes nothing would still end a selection and wake the screen reader.
function say(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

function mark(node, name, value) {
  if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

// Makes the children of `parent` stand for `things`, keeping the nodes that are there.
function match(parent, things, make, update) {
  while (parent.childElementCount > things.length) {
    parent.lastElementChild.remove();
  }
  things.forEach((thing, index) => {
    if (index === parent.childElementCount) {
      parent.append(make(thing));
    }
    update(parent.children[index], thing, index);
  });
}

// Puts the children of `parent` in this order without moving the one that has the focus, which would lose it.
function arrange(parent, nodes) {
  const fixed = nodes.findIndex((node) => node.contains(document.activeElement));
  for (let index = fixed - 1; index >= 0; index--) {
    if (nodes[index].nextElementSibling !== nodes[index + 1]) {
      parent.insertBefore(nodes[index], nodes[index + 1]);
    }
  }
  for (let index = fixed + 1; index < nodes.length; index++) {
    const before = nodes[index - 1];
    if ((before ? before.nextElementSibling : parent.firstElementChild) !== nodes[index]) {
      before ? before.after(nodes[index]) : parent.prepend(nodes[index]);
    }
  }
}

// Three digits and a unit.
function time(seconds) {
  const [value, unit] =
    seconds >= 0.9995 ? [seconds, "s"] : seconds >= 0.0009995 ? [seconds * 1e3, "ms"] : [seconds * 1e6, "µs"];
  if (!(seconds > 0)) {
    return "0";
  }
  return `${value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${unit}`;
}

// As a person says it: to the second, and without the seconds once it is hours.
function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours >= 48) {
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  }
  const parts = hours > 0 ? [[hours, "h"], [minutes, "min"]] : [[minutes, "min"], [rest, "s"]];
  return parts.filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`).join(" ") || "0 s";
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
  month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// With the day, unless it is less than half a day from `now`, both in milliseconds.
function moment(milliseconds, now = Date.now()) {
  return (Math.abs(now - milliseconds) < 12 * 3600e3 ? CLOCK : DAY_AND_CLOCK).format(milliseconds);
}

const COUNT = new Intl.NumberFormat("en");

function count(value) {
  return COUNT.format(value);
}

function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

// The server's clock tells ages: the reader's may be wrong.
function since(status, at) {
  const now = Date.parse(status.at);
  return `${moment(Date.parse(at), now)} (${lasting((now - Date.parse(at)) / 1e3)} ago)`;
}
