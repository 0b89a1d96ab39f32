// Four small pictures of the last hour, or of as much of it as is known: in use and waiting, waits, holds, timeouts and errors.

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
  const title = element("h3", {}, "The last hour");
  const node = element("section", {}, title, hint, grid);
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
    const { from, to } = hours(samples);
    // The monitor's samples are not exactly an hour long.
    say(title, to - from > HOUR - 60e3 ? "The last hour" : `The last ${lasting((to - from) / 1e3)}`);
    figures.forEach((one) => one.draw(samples, status, width));
  };
  return { node, grid, update };
}

function figure(chart) {
  const picture = drawing("svg", { role: "img", height: HEIGHT });
  const unit = element("span", { class: "unit" });
  const keys = chart.series.map(([, word], index) => key(`line series${index}`, word));
  // Here it lies over no line, as it would in the picture.
  const capacity = key("capacity", "capacity");
  const caption = element("figcaption", {}, element("strong", {}, chart.title), unit, ...keys, capacity);
  const node = element("figure", { class: chart.kind }, caption, picture);
  const draw = (samples, status, width) => {
    const all = chart.kind === "bars" ? summed(samples, chart.series) : samples;
    const span = chart.kind === "bars" ? all.every : undefined;
    say(unit, span ? `per ${lasting(span / 1e3)}` : chart.unit);
    keys.forEach((entry, index) => say(entry.lastChild, now(chart, samples, chart.series[index][0], status)));
    say(capacity.lastChild, count(status.total_capacity));
    capacity.hidden = !isNear(chart, samples, status);
    mark(picture, "aria-label", inWords(chart, all, status));
    mark(picture, "width", width);
    mark(picture, "viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.replaceChildren(...plot(chart, all, status, hours(samples), width));
  };
  return { node, draw };
}

function key(kind, word) {
  const line = drawing("svg", { class: "key", width: 18, height: 10, "aria-hidden": "true" }, drawing("path", { class: kind, d: "M1 5H17" }));
  return element("span", { class: "entry" }, line, element("span", {}, word), element("b"));
}

// The capacity is in the picture once it is near.
function isNear(chart, samples, status) {
  return chart.kind === "level" && samples.some((sample) => Math.max(sample.used, sample.waiting) * 3 >= status.total_capacity);
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

// Counts of a sample, summed over a sixtieth of the time shown, and over no less than the time between two samples.
function summed(samples, series) {
  const { from, to } = hours(samples);
  const least = Math.max((to - from) / 60, ...samples.slice(-60).map((sample) => sample.seconds * 1e3 - 100));
  const every = [1, 2, 5, 10, 20, 30].map((seconds) => seconds * 1e3).find((candidate) => candidate >= least) ?? Math.ceil(least / 60e3) * 60e3;
  const result = [];
  for (const sample of samples) {
    // By its middle: its end may be the beginning of the next span.
    const at = Math.floor((sample.at + begin(sample)) / 2 / every) * every;
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
  const near = isNear(chart, samples, status);
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
  }
  const drawn = chart.series.map(([name], index) => {
    if (chart.kind === "bars") {
      return [drawing("path", { class: `bar series${index}`, d: bars(samples, name, index, x, y) })];
    }
    const points = thinned(samples, name, width);
    const { path, dots } = line(points, chart.kind === "times", x, y);
    const lines = [drawing("path", { class: `line series${index}`, d: path }), drawing("path", { class: `dot series${index}`, d: dots })];
    return chart.kind === "level" && index === 0 ? [drawing("path", { class: "area", d: area(points, x, y) }), ...lines] : lines;
  });
  // Where a median equals the p99, it is seen as a thin line upon a thick one.
  return nodes.concat(...(chart.kind === "times" ? drawn.reverse() : drawn));
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
    // Not before the one before it, even if somebody set the clock back between them.
    const from = Math.max(begin(together[0]), samples[index - 1]?.at ?? 0);
    points.push({ from, at: last.at, value, gap: together.reduce((sum, sample) => sum + sample.seconds, 0) * 1e3 * 1.5 + 1e3 });
  }
  return points;
}

// Pieces of a line without a break: it is broken where nothing was measured, and where samples are missing.
function pieces(points, zeroIsNothing) {
  const all = [];
  let before;
  for (const point of points) {
    const known = !zeroIsNothing || point.value > 0;
    if (known && before && point.at - before.at <= point.gap) {
      all.at(-1).push(point);
    } else if (known) {
      all.push([point]);
    }
    before = known ? point : undefined;
  }
  return all;
}

// Each piece begins where its first sample does. One alone is shorter than it is wide, and so is a dot too.
function line(points, zeroIsNothing, x, y) {
  const all = pieces(points, zeroIsNothing);
  const path = all.map((piece) => {
    const rest = piece.map((point) => `L${x(point.at)} ${y(point.value)}`).join("");
    return `M${x(piece[0].from)} ${y(piece[0].value)}${rest}`;
  });
  const alone = all.filter((piece) => piece.length === 1).map(([point]) => `M${x((point.from + point.at) / 2)} ${y(point.value)}h0`);
  return { path: path.join(""), dots: alone.join("") };
}

function area(points, x, y) {
  return pieces(points, false).map((piece) => {
    const top = piece.map((point) => `L${x(point.at)} ${y(point.value)}`).join("");
    return `M${x(piece[0].from)} ${y(0)}V${y(piece[0].value)}${top}V${y(0)}Z`;
  }).join("");
}

function bars(samples, name, index, x, y) {
  const slot = Math.max(3, x(samples[0].at + samples.every) - x(samples[0].at));
  // A few samples of a young pool are no wider than an eye expects of a bar.
  const wide = Math.min(14, Math.max(1, slot / 2 - 0.5));
  return samples
    .filter((sample) => sample[name] > 0)
    .map((sample) => `M${x(sample.at) + index * wide} ${y(0)}V${y(sample[name])}h${wide}V${y(0)}Z`)
    .join("");
}
