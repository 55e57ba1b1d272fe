"use strict";
const INK = "#1b1b1b", dark = matchMedia("(prefers-color-scheme: dark)");
// A time is told as 18:00, a day as Dec 24, the first of a month with its year.
const TIME = "utcFormat(datum.value, utchours(datum.value) + utcminutes(datum.value) > 0 ? '%H:%M' : " +
  "utcdate(datum.value) > 1 ? '%b %d' : '%b %Y')";

function theme() {
  const [ink, soft, line] = dark.matches ? ["#ececec", "#b4b4b4", "#3a3e43"] : [INK, "#565656", "#dcdcdc"];
  const font = "system-ui, sans-serif";
  return {
    background: null, font, view: {stroke: null}, padding: 2,
    axis: {labelColor: soft, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal",
           labelFontSize: 11, titleFontSize: 12},
    axisTemporal: {labelExpr: TIME, labelOverlap: true, labelSeparation: 8},
    legend: {labelColor: ink, titleColor: ink, orient: "bottom", columns: 3, labelFontSize: 12, symbolStrokeWidth: 3},
    title: {color: ink}, text: {color: ink}, header: {labelColor: ink, titleColor: ink},
  };
}

function draw(place, spec) {
  // What is as dark as ink on paper is as light as ink in the dark.
  const drawn = JSON.parse(JSON.stringify(spec).replaceAll(INK, theme().text.color));
  const options = {mode: "vega-lite", renderer: "svg", actions: false, tooltip: true};
  drawn.config = {...theme(), ...drawn.config};
  return vegaEmbed(place, drawn, options);
}

// Each chart is drawn when it comes into view: a page of hundreds opens as fast as one of six.
const specs = new Map(), shown = new Set();
const inView = new IntersectionObserver(entries => {
  for (const entry of entries.filter(entry => entry.isIntersecting)) {
    inView.unobserve(entry.target);
    shown.add(entry.target);
    draw(entry.target, specs.get(entry.target)());
  }
}, {rootMargin: "600px"});

function drawWhenSeen(place, spec) {
  specs.set(place, spec);
  inView.observe(place);
}

dark.addEventListener("change", () => shown.forEach(place => draw(place, specs.get(place)())));
addEventListener("beforeprint", () => specs.forEach((spec, place) => { shown.add(place); draw(place, spec()); }));
