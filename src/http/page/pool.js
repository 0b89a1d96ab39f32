// One pool: a line that is always there, and all the rest behind it.

class PoolSection {
  constructor(name, open) {
    this.name = name;
    this.history = new History(name);
    this.title = element("h2", {}, name);
    this.badges = element("span", { class: "badges" });
    this.use = element("span", { class: "use" });
    this.summary = element("summary", {}, this.title, this.badges, this.use);
    this.advice = adviceList();
    this.seats = seats();
    this.charts = charts();
    this.parts = [
      this.seats,
      holders(),
      times(),
      facts("Errors", errors),
      facts("Since the start", counts),
      facts("Peaks", peaks),
      facts("Server limit", server),
      facts("Configuration", configuration, { class: "wide columns" }),
    ];
    const capacity = element("section", { class: "wide" }, element("h3", {}, "Capacity"), this.seats.node);
    const rest = this.parts.slice(1).map((part) => part.node);
    const grid = element("div", { class: "parts" }, ...rest);
    this.node = element("details", { class: "pool" }, this.summary, this.advice.node, capacity, this.charts.node, grid);
    this.node.open = open;
    let shown = open;
    this.node.addEventListener("toggle", () => {
      // What the page itself opened at first is not the reader's choice.
      if (this.node.open !== shown) {
        shown = this.node.open;
        remember(name, shown);
      }
      this.showBody();
      if (this.node.open) {
        refresh();
      }
    });
    new ResizeObserver(() => this.showBody()).observe(this.charts.grid);
  }

  update(status) {
    this.status = status;
    this.history.note(status);
    mark(this.node, "data-level", LEVELS[levelOf(status)]);
    showBadges(this.badges, status);
    say(this.use, inUse(status));
    this.showBody();
  }

  showBody() {
    if (this.node.open && this.status) {
      this.advice.update(this.status);
      this.parts.forEach((part) => part.update(this.status));
      this.charts.update(this.status, this.history);
    }
  }

  show() {
    this.node.open = true;
    this.node.scrollIntoView();
    this.summary.focus({ preventScroll: true });
  }
}

// What is wrong, and under it what to do.
function adviceList(most = Infinity) {
  const [wrong, doing] = [element("ul", { class: "found" }), element("ul", { class: "advised" })];
  const node = element("div", { class: "advice" }, wrong, doing);
  const update = (status) => {
    const { found, advised } = advice(status);
    const show = (list, texts) => {
      list.hidden = texts.length === 0;
      match(list, texts, () => element("li"), say);
    };
    mark(node, "data-level", LEVELS[levelOf(status)]);
    show(wrong, found.slice(0, most));
    show(doing, advised.slice(0, most));
  };
  return { node, update };
}

// One line of the overview, and what to do where something is wrong.
function overviewRow(name) {
  const link = element("a", { href: `#${encodeURIComponent(name)}` }, name);
  const [marks, use] = [element("span", { class: "badges" }), element("span", { class: "use" })];
  const bar = element("div", { class: "row proportional", "aria-hidden": "true" });
  const words = adviceList(2);
  const node = element("li", {}, link, marks, bar, use, words.node);
  const update = (status) => {
    const level = levelOf(status);
    mark(node, "data-level", LEVELS[level]);
    showBadges(marks, status);
    showRuns(bar, runs(status), true);
    say(use, inUse(status));
    words.node.hidden = level === 0;
    words.update(status);
  };
  return { node, update };
}
