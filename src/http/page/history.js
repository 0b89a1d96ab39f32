// The last hour of one pool: the monitor's samples, or, where no monitor runs, what the page itself has seen.

const HOUR = 3600e3;
// As many as the monitor keeps.
const MOST_SAMPLES = 3600;

class History {
  constructor(name) {
    this.name = name;
    this.monitor = undefined;
    this.interval = 2;
    this.seen = [];
    this.own = [];
    this.before = undefined;
    this.due = 0;
  }

  get samples() {
    return this.monitor ? this.seen : this.own;
  }

  // The difference to the status before, in the form of the monitor's samples.
  note(status) {
    const [before, at] = [this.before, Date.parse(status.at)];
    this.before = {
      at,
      checkouts: status.checkouts,
      timeouts: status.connection_timeouts,
      errors: status.connection_errors,
      waits: new Map(status.connection_acquisition_time.buckets),
      holds: new Map(status.connection_hold_time.buckets),
    };
    if (!before || at <= before.at) {
      return;
    }
    if (status.checkouts < before.checkouts) {
      // Another pool of the same name: the service was started anew.
      this.own = [];
      return;
    }
    const waits = difference(this.before.waits, before.waits);
    const holds = difference(this.before.holds, before.holds);
    this.own.push({
      at,
      seconds: (at - before.at) / 1e3,
      used: status.checked_out,
      waiting: status.waiting_requests,
      timeouts: Math.max(0, status.connection_timeouts - before.timeouts),
      errors: Math.max(0, status.connection_errors - before.errors),
      wait_p50: percentile(waits, 0.5),
      wait_p99: percentile(waits, 0.99),
      hold_p50: percentile(holds, 0.5),
      hold_p99: percentile(holds, 0.99),
    });
    forget(this.own);
  }

  async read(signal) {
    if (Date.now() < this.due) {
      return;
    }
    const last = this.seen.at(-1);
    // The last known sample is asked for again: where it is missing, the service was started anew.
    let answer = await this.ask(last ? last.number - 1 : 0, signal);
    if (last && !answer.samples.some((sample) => sample.number === last.number && Date.parse(sample.at) === last.at)) {
      this.seen = [];
      answer = await this.ask(0, signal);
    }
    this.monitor = answer.monitor;
    this.interval = answer.interval_seconds;
    const newest = this.seen.at(-1)?.number ?? 0;
    for (const sample of answer.samples) {
      if (sample.number > newest) {
        this.seen.push({
          number: sample.number,
          at: Date.parse(sample.at),
          seconds: sample.seconds,
          used: sample.peak_checked_out,
          waiting: sample.peak_waiting,
          timeouts: sample.connection_timeouts,
          errors: sample.connection_errors,
          wait_p50: sample.wait_p50,
          wait_p99: sample.wait_p99,
          hold_p50: sample.hold_p50,
          hold_p99: sample.hold_p99,
        });
      }
    }
    forget(this.seen);
    this.due = Date.now() + Math.min(Math.max(this.interval, 2), 60) * 1e3 - 500;
  }

  ask(after, signal) {
    return read(`history?pool=${encodeURIComponent(this.name)}&after=${after}`, signal);
  }
}

function forget(samples) {
  const newest = samples.at(-1)?.at ?? 0;
  const from = samples.findIndex((sample) => sample.at > newest - HOUR);
  samples.splice(0, Math.max(from, samples.length - MOST_SAMPLES, 0));
}

function difference(now, before) {
  return [...now].map(([end, number]) => [end, number - (before.get(end) ?? 0)]).filter(([, number]) => number > 0);
}

// The middle of the bucket, as the library does it; a bucket is a quarter of a doubling of nanoseconds.
function percentile(buckets, share) {
  const all = buckets.reduce((sum, [, number]) => sum + number, 0);
  let seen = 0;
  for (const [end, number] of buckets) {
    seen += number;
    if (seen >= all * share) {
      if (end === null) {
        return 2 ** 50 / 1e9;
      }
      const nanoseconds = Math.round(end * 1e9);
      const width = 2 ** (Math.ceil(Math.log2(nanoseconds)) - 3);
      return (nanoseconds - width / 2) / 1e9;
    }
  }
  return 0;
}
