// Axes: where a value stands, and which values are written beside it.

// From 0 up to a round number, with at most four steps.
function linear(most) {
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough));
  const top = Math.ceil(Math.max(most, 1) / step) * step;
  const ticks = Array.from({ length: top / step + 1 }, (_, index) => [index * step, count(index * step)]);
  return { of: (value) => value / top, ticks };
}

// Powers of ten: a median in microseconds and a p99 in seconds are on one picture. From 1 µs, below which nothing matters.
function logarithmic(values) {
  const shown = values.filter((value) => value > 0).map((value) => Math.max(value, 1e-6));
  const low = shown.length > 0 ? Math.floor(Math.log10(Math.min(...shown)) + 1e-9) : -3;
  const high = shown.length > 0 ? Math.max(low + 1, Math.ceil(Math.log10(Math.max(...shown)) - 1e-9)) : 0;
  const step = Math.ceil((high - low) / 4);
  const ticks = [];
  for (let power = low; power <= high; power += step) {
    ticks.push([10 ** power, power >= 0 ? `${10 ** power} s` : power >= -3 ? `${Math.round(10 ** (power + 3))} ms` : `${Math.round(10 ** (power + 6))} µs`]);
  }
  return { of: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low), ticks };
}

// The hour that ends with the last sample, or what there is of it: the samples of a young pool have the whole width.
function hours(samples) {
  const to = samples.at(-1).at;
  const from = Math.max(to - HOUR, Math.min(begin(samples[0]), to - 1e3));
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900].map((seconds) => seconds * 1e3).find((candidate) => (to - from) / candidate <= 5);
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    ticks.push([at, (step < 60e3 ? CLOCK : MINUTE).format(at)]);
  }
  return { from, to, of: (at) => Math.max(0, (at - from) / (to - from)), ticks };
}

// A sample covers the time since the one before it.
function begin(sample) {
  return sample.at - sample.seconds * 1e3;
}
