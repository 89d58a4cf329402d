"""How a report looks, and the lines of script that draw its figures."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{--page:#fbfbfa;--card:#fff;--text:#1d2026;--soft:#5d6470;--line:#dfe2e7;--blue:#3b78d8;
--weighted:#d7e6ff;--pool:#dcf1dd;--merge:#fbe7cf;--other:#eff0f3}
@media (prefers-color-scheme:dark){:root{--page:#14161a;--card:#1c1f25;--text:#e6e8ec;
--soft:#a0a7b4;--line:#333944;--blue:#7aa9f7;--weighted:#24406e;--pool:#24502f;--merge:#5c431f;
--other:#2a2e36}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:68rem;margin:0 auto;padding:1rem}
header h1{font-size:1.7rem;line-height:1.2;margin:.6rem 0 .2rem;overflow-wrap:anywhere}
.lead{font-size:1.1rem}.soft,figcaption{color:var(--soft);font-size:.92rem}
nav{display:flex;flex-wrap:wrap;gap:.3rem .9rem;margin:.8rem 0;font-size:.92rem}
a{color:var(--blue)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.4rem 1.1rem 1rem;margin:1rem 0}
h2{font-size:1.2rem;margin:.7rem 0 .4rem}
h3{font-size:1rem;margin:1rem 0 .3rem;overflow-wrap:anywhere}
p{margin:.4rem 0;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));
gap:.6rem;margin:1rem 0}
.cards div{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.6rem .8rem}
.cards b{display:block;font-size:1.3rem;line-height:1.3;overflow-wrap:anywhere}
.cards span{color:var(--soft);font-size:.85rem}
.wide,.drawing,pre{overflow-x:auto}
.drawing{max-height:44rem;overflow-y:auto;text-align:center;
border:1px solid var(--line);border-radius:8px}
.both{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.3fr);gap:1rem;align-items:start}
.both .wide{max-height:44rem;overflow-y:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
td.text,.text td{white-space:normal}.num{text-align:right;font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:600;position:sticky;top:0;background:var(--card)}
pre{background:var(--page);border:1px solid var(--line);border-radius:8px;padding:.7rem;
font-size:.82rem;max-height:32rem}
summary{cursor:pointer;color:var(--blue);margin:.5rem 0}
.figure{width:100%;min-height:360px}
.warn{border-left:4px solid #e07b1a;padding-left:.7rem}
.net text{text-anchor:middle;font-size:12px;fill:var(--text)}
.net .net-title{font-weight:600}.net .net-sub{font-size:11px;fill:var(--soft)}
.net rect{fill:var(--other);stroke:var(--line)}.net-weighted rect{fill:var(--weighted)}
.net-pool rect{fill:var(--pool)}.net-merge rect{fill:var(--merge)}
.net-edge{fill:none;stroke:var(--soft);stroke-width:1.2}
@media (max-width:52rem){.both{grid-template-columns:minmax(0,1fr)}main{padding:.6rem}
section{padding:.3rem .7rem .8rem}th,td{padding:.22rem .3rem}table{font-size:.82rem}}
@media print{.drawing,.both .wide,pre{max-height:none}nav{display:none}}
"""

#: Draws every figure, in the colours that the page has.
DRAW: Final = """
(function () {
  var look = function () {
    var style = getComputedStyle(document.documentElement);
    var text = style.getPropertyValue("--text").trim();
    var line = style.getPropertyValue("--line").trim();
    return {
      "font.color": text, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
      "xaxis.gridcolor": line, "yaxis.gridcolor": line,
      "xaxis.zerolinecolor": line, "yaxis.zerolinecolor": line
    };
  };
  var places = Array.prototype.slice.call(document.querySelectorAll(".figure"));
  places.forEach(function (place) {
    var held = JSON.parse(document.getElementById(place.id + "-data").textContent);
    held.layout.autosize = true;
    Plotly.newPlot(place, held.data, held.layout,
      {responsive: true, displaylogo: false, displayModeBar: false});
    Plotly.relayout(place, look());
  });
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", function () {
    places.forEach(function (place) { Plotly.relayout(place, look()); });
  });
})();
"""
