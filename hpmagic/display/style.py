"""The style sheet of the panel: the surrounding theme's colours, with fallbacks that suit any."""

from __future__ import annotations

import re
from typing import Final

from hpmagic.display.chart import SHAPES

__all__ = ["STYLE"]

# Without a known theme (Colab, plain pages) text keeps the colour of its surroundings and greys are
# translucent: they read on light and on dark alike. Classes are tripled against notebook styles.
_SHEET = """
.hpm{--f:var(--vscode-editor-foreground,var(--jp-content-font-color1,currentColor));
--m:var(--vscode-descriptionForeground,var(--jp-content-font-color2,#767c86));
--a:var(--vscode-charts-blue,var(--jp-brand-color1,#2f7de1));
--b:var(--vscode-editorWarning-foreground,var(--jp-warn-color0,#d9690f));
--s:var(--vscode-editor-background,var(--jp-layout-color0,transparent));
--l:rgba(128,128,128,.24);--z:rgba(128,128,128,.08);
--u:var(--vscode-font-family,var(--jp-ui-font-family,system-ui,sans-serif));
--c:var(--vscode-editor-font-family,var(--jp-code-font-family,ui-monospace,monospace));
font:13px/1.5 var(--u);
color:var(--f);font-variant-numeric:tabular-nums;max-width:900px;padding:6px 2px 4px;
text-align:left;box-sizing:border-box;overflow-wrap:anywhere}
.hpm div,.hpm p,.hpm ul,.hpm figure{margin:0;padding:0}
.hpm .hpm-head{display:flex;flex-wrap:wrap;gap:0 12px;align-items:baseline}
.hpm .hpm-head b{font-size:14px;font-weight:600}
.hpm .hpm-m{color:var(--m)}
.hpm .hpm-row{display:flex;flex-wrap:wrap;gap:0 18px;justify-content:space-between;color:var(--m)}
.hpm .hpm-row b{color:var(--f);font-weight:600}
.hpm .hpm-bad{color:var(--b)}
.hpm .hpm-bar{height:4px;border-radius:2px;background:var(--l);margin:8px 0 6px;overflow:hidden}
.hpm .hpm-bar i{display:block;height:100%;background:var(--a);border-radius:2px}
.hpm .hpm-cols{display:flex;flex-wrap:wrap;gap:14px 32px;margin:16px 0 14px;align-items:flex-start}
.hpm .hpm-hero{flex:1 1 190px;min-width:180px}
.hpm .hpm-hero .hpm-scroll{margin:14px 0 0}
.hpm .hpm-big{font-size:32px;line-height:1.15;font-weight:600;letter-spacing:-.02em;display:block}
.hpm .hpm-gain{margin-top:4px}
.hpm .hpm-gain b{font-weight:600}
.hpm .hpm-pair{display:flex;gap:8px;align-items:baseline}
.hpm .hpm-pair b{font-size:20px;line-height:1.35;font-weight:600;letter-spacing:-.01em}
.hpm figure{flex:0 1 auto;min-width:0;max-width:100%}
.hpm figcaption{color:var(--m);font-size:12px;margin:0 0 2px}
.hpm svg,.hpm figure img{display:block;max-width:100%;height:auto;margin:0;background:none}
.hpm svg text{font:11px var(--u);fill:var(--m)}
.hpm svg .hpm-grid{stroke:var(--l)}
.hpm svg .hpm-dots,.hpm svg .hpm-pruned,.hpm svg .hpm-yours{stroke:var(--m)}
.hpm svg .hpm-dots{stroke-opacity:.7}
.hpm svg .hpm-line{stroke:var(--a)}.hpm svg .hpm-mark{stroke:var(--a);fill:var(--s)}
.hpm svg .hpm-bad{stroke:var(--b)}
.hpm svg .hpm-strong{fill:var(--a);font-weight:600}
.hpm .hpm-scroll{overflow-x:auto;margin:0 0 10px}
.hpm.hpm.hpm table{border-collapse:collapse;border:0;margin:0;font-size:12.5px;table-layout:auto;
width:auto;color:var(--f);background:none}
.hpm.hpm.hpm tr,.hpm.hpm.hpm tbody tr:hover{background:none;border:0}
.hpm.hpm.hpm th,.hpm.hpm.hpm td{padding:3px 22px 3px 0;border:0;border-bottom:1px solid var(--l);
white-space:nowrap;text-align:left;vertical-align:baseline;font-weight:400;background:none;
line-height:1.5;max-width:none;height:1.5em}
.hpm.hpm.hpm tr>:last-child{padding-right:4px}
.hpm.hpm.hpm thead th{color:var(--m);font-size:12px}
.hpm.hpm.hpm tbody tr:last-child td,.hpm.hpm.hpm tbody tr:last-child th{border-bottom:0}
.hpm.hpm.hpm .hpm-n{text-align:right}
.hpm.hpm.hpm .hpm-w{white-space:normal;min-width:9em}
.hpm.hpm.hpm .hpm-k{color:var(--m);padding-right:14px;min-width:3.6em}
.hpm.hpm.hpm tr.hpm-top td{font-weight:600}
.hpm.hpm.hpm tr.hpm-top td.hpm-k{color:var(--a)}
.hpm.hpm.hpm code{font:12px var(--c);
background:var(--z);color:inherit;padding:1px 4px;border-radius:3px;white-space:pre-wrap}
.hpm.hpm.hpm td code{background:none;padding:0;font-size:12.5px;white-space:nowrap}
.hpm.hpm.hpm ul{list-style:none;margin:0 0 14px;padding:0 0 0 12px;border-left:2px solid var(--a)}
.hpm.hpm.hpm li{margin:0 0 5px;max-width:78ch}.hpm.hpm.hpm li:last-child{margin:0}
.hpm details{margin:0 0 4px}.hpm summary{cursor:pointer;color:var(--m)}
.hpm.hpm.hpm pre{font:11.5px/1.45 var(--c);
white-space:pre-wrap;background:var(--z);color:inherit;padding:8px 10px;margin:6px 0;
border-radius:4px;max-height:260px;overflow:auto;border:0}
.hpm .hpm-foot{color:var(--m);font-size:12px;margin-top:6px}
.hpm .hpm-note{color:var(--m);min-height:1.5em}
.hpm figure img{color-scheme:light}
body[data-jp-theme-light="false"] .hpm figure img,body.vscode-dark .hpm figure img,
body.vscode-high-contrast:not(.vscode-high-contrast-light) .hpm figure img,
html[theme=dark] .hpm figure img{color-scheme:dark}
@media(prefers-color-scheme:dark){
body:not([data-jp-theme-light]):not([data-vscode-theme-kind]) .hpm figure img{color-scheme:dark}
html:not([theme]) body:not([data-jp-theme-light]):not([data-vscode-theme-kind]) .hpm{--m:#a3a9b3}}
"""

_MARKS = re.sub(r"(^|\})\.hpm", r"\1.hpm svg .hpm", SHAPES)

STYLE: Final = f"<style>{_SHEET.replace(chr(10), '')}{_MARKS}</style>"
"""The sheet as it is put at the head of a panel."""
