// Four small pictures of the last hour: in use and waiting, waits, holds, timeouts and errors.

const HEIGHT = 170;
const EDGE = { left: 52, right: 10, top: 10, bottom: 24 };

const CHARTS = [
  { title: "In use and waiting", unit: "the most at once", kind: "level", series: [["used", "in use"], ["waiting", "waiting"]], write: count },
  { title: "Timeouts and connect errors", unit: "", kind: "bars", series: [["timeouts", "timeouts"], ["errors", "connect errors"]], write: count },
  { title: "Wait for a connection", unit: "logarithmic", kind: "times", series: [["wait_p50", "p50"], ["wait_p99", "p99"]], write: time },
  { title: "Hold of a connection", unit: "logarithmic", kind: "times", series: [["hold_p50", "p50"], ["hold_p99", "p99"]], write: time },
];

// Where a status has the counts of the bars, since the pool was built.
const TOTALS = { timeouts: "connection_timeouts", errors: "connection_errors" };

function charts() {
  const hint = element("p", { class: "hint" });
  const figures = CHARTS.map(figure);
  const grid = element("div", { class: "charts" }, ...figures.map((one) => one.node));
  const node = element("section", {}, element("h3", {}, "The last hour"), hint, grid);
  let drawn = "";
  const update = (status, history) => {
    const samples = history.samples;
    hint.hidden = history.monitor !== false && samples.length > 0;
    say(hint, history.monitor === false
      ? "Only what this page has seen since it was opened: turn on enable_pool_metrics for the last hour."
      : history.monitor === undefined ? "Reading…" : `The first sample comes within ${lasting(history.interval)}.`);
    const width = Math.floor(figures[0].node.clientWidth);
    const state = `${samples.length} ${samples.at(-1)?.at} ${width}`;
    if (samples.length === 0 || width === 0 || state === drawn) {
      return;
    }
    drawn = state;
    figures.forEach((one) => one.draw(samples, status, width));
  };
  return { node, grid, update };
}

function figure(chart) {
  const picture = drawing("svg", { role: "img", height: HEIGHT });
  const unit = element("span", { class: "unit" });
  const keys = chart.series.map(([name, word], index) => {
    const line = drawing("svg", { class: "key", width: 18, height: 10, "aria-hidden": "true" }, drawing("path", { class: `line series${index}`, d: "M1 5H17" }));
    return element("span", { class: "entry" }, line, element("span", {}, word), element("b"));
  });
  const caption = element("figcaption", {}, element("strong", {}, chart.title), unit, ...keys);
  const node = element("figure", { class: chart.kind }, caption, picture);
  const draw = (samples, status, width) => {
    const all = chart.kind === "bars" ? summed(samples, chart.series) : samples;
    const span = chart.kind === "bars" ? all.every : undefined;
    say(unit, span ? `per ${lasting(span / 1e3)}` : chart.unit);
    keys.forEach((key, index) => say(key.lastChild, now(chart, samples, chart.series[index][0], status)));
    mark(picture, "aria-label", inWords(chart, all, status));
    mark(picture, "width", width);
    mark(picture, "viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.replaceChildren(...plot(chart, all, status, hours(samples), width));
  };
  return { node, draw };
}

// Of counts, all that the picture shows, and of how many since the start; else the last.
function now(chart, samples, name, status) {
  if (chart.kind === "bars") {
    const [shown, all] = [samples.reduce((sum, sample) => sum + sample[name], 0), status[TOTALS[name]]];
    return shown < all ? `${chart.write(shown)} of ${chart.write(all)}` : chart.write(shown);
  }
  const value = samples.at(-1)[name];
  return chart.kind === "times" && !(value > 0) ? "–" : chart.write(value);
}

function inWords(chart, samples, status) {
  const words = chart.series.map(([name, word]) => {
    const most = samples.reduce((best, sample) => (sample[name] > best[name] ? sample : best));
    return `${word}: ${chart.kind === "bars" ? "in all" : "now"} ${now(chart, samples, name, status)}, most ${chart.write(most[name])} at ${moment(most.at)}`;
  });
  return `${chart.title} since ${moment(samples[0].at)}. ${words.join("; ")}.`;
}

// Counts of a sample, summed over a sixtieth of the time shown.
function summed(samples, series) {
  const { from, to } = hours(samples);
  const every = Math.max(10e3, Math.ceil((to - from) / 60 / 10e3) * 10e3);
  const result = [];
  for (const sample of samples) {
    const at = Math.floor(sample.at / every) * every;
    if (result.at(-1)?.at !== at) {
      result.push({ at, ...Object.fromEntries(series.map(([name]) => [name, 0])) });
    }
    series.forEach(([name]) => (result.at(-1)[name] += sample[name]));
  }
  result.every = every;
  return result;
}

function plot(chart, samples, status, across, width) {
  const values = samples.flatMap((sample) => chart.series.map(([name]) => sample[name]));
  const most = values.reduce((best, value) => Math.max(best, value), 0);
  const capacity = status.total_capacity;
  // The capacity is in the picture once it is near.
  const near = chart.kind === "level" && most * 3 >= capacity;
  const up = chart.kind === "times" ? logarithmic(values) : linear(near ? Math.max(most, capacity) : most);
  const x = (at) => Math.round((EDGE.left + across.of(at) * (width - EDGE.left - EDGE.right)) * 10) / 10;
  const y = (value) => Math.round((HEIGHT - EDGE.bottom - up.of(value) * (HEIGHT - EDGE.top - EDGE.bottom)) * 10) / 10;
  const nothing = chart.kind === "times" && !(most > 0);
  const nodes = axes(nothing ? [] : up.ticks, across.ticks, x, y, width);
  if (nothing) {
    nodes.push(drawing("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "none in this time"));
  }
  if (near) {
    nodes.push(drawing("path", { class: "capacity", d: `M${EDGE.left} ${y(capacity)}H${width - EDGE.right}` }));
    const label = drawing("text", { x: width - EDGE.right - 2, y: y(capacity) + 12, "text-anchor": "end", class: "limit" });
    say(label, `capacity ${count(capacity)}`);
    nodes.push(label);
  }
  chart.series.forEach(([name], index) => {
    if (chart.kind === "bars") {
      nodes.push(drawing("path", { class: `bar series${index}`, d: bars(samples, name, index, x, y) }));
      return;
    }
    const points = thinned(samples, name, width);
    if (chart.kind === "level" && index === 0) {
      nodes.push(drawing("path", { class: "area", d: area(points, x, y) }));
    }
    nodes.push(drawing("path", { class: `line series${index}`, d: line(points, chart.kind === "times", x, y) }));
  });
  return nodes;
}

function axes(ups, acrosses, x, y, width) {
  const nodes = [];
  for (const [value, words] of ups) {
    nodes.push(drawing("path", { class: "grid", d: `M${EDGE.left} ${y(value)}H${width - EDGE.right}` }));
    nodes.push(drawing("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, words));
  }
  for (const [at, words] of acrosses) {
    nodes.push(drawing("path", { class: "grid", d: `M${x(at)} ${HEIGHT - EDGE.bottom}v4` }));
    // Half a label's width from either end it would be cut off.
    if (x(at) > 18 && x(at) < width - 18) {
      nodes.push(drawing("text", { x: x(at), y: HEIGHT - 6, "text-anchor": "middle" }, words));
    }
  }
  return nodes;
}

// The greatest of what falls on two pixels.
function thinned(samples, name, width) {
  const share = Math.max(1, Math.ceil(samples.length / (width / 2)));
  const points = [];
  for (let index = 0; index < samples.length; index += share) {
    const together = samples.slice(index, index + share);
    const value = together.reduce((best, sample) => Math.max(best, sample[name]), 0);
    const last = together.at(-1);
    points.push({ at: last.at, value, gap: together.reduce((sum, sample) => sum + sample.seconds, 0) * 1e3 * 1.5 + 1e3 });
  }
  return points;
}

// Where nothing was measured, and where samples are missing, the line is broken; a point alone is a dot.
function line(points, zeroIsNothing, x, y) {
  let path = "";
  let before;
  for (const point of points) {
    if (zeroIsNothing && !(point.value > 0)) {
      before = undefined;
      continue;
    }
    const joined = before && point.at - before.at <= point.gap;
    path += joined ? `L${x(point.at)} ${y(point.value)}` : `M${x(point.at)} ${y(point.value)}h0`;
    before = point;
  }
  return path;
}

function area(points, x, y) {
  const top = points.map((point) => `L${x(point.at)} ${y(point.value)}`).join("");
  return `M${x(points[0].at)} ${y(0)}${top}L${x(points.at(-1).at)} ${y(0)}Z`;
}

function bars(samples, name, index, x, y) {
  const slot = Math.max(3, x(samples[0].at + samples.every) - x(samples[0].at));
  const wide = Math.max(1, slot / 2 - 0.5);
  return samples
    .filter((sample) => sample[name] > 0)
    .map((sample) => `M${Math.max(EDGE.left, x(sample.at)) + index * wide} ${y(0)}V${y(sample[name])}h${wide}V${y(0)}Z`)
    .join("");
}
