/** The look of a report's page: calm and dense, in the light or the dark, and on paper. */
export const STYLE = `
:root{color-scheme:light dark;--page:#f7f8f8;--card:#fff;--ink:#1c2226;--soft:#5d6870;--line:#e2e6e8;--lane:#eef1f2;
--done:#a5d6c5;--task:#c9372c;--wait:#b98a10;--platform:#d0661f;--owner:#8a56b8;--person:#7f8a92;--open:#3578b5;--good:#1f7f63;--mark:#ffffffa8;--busy:#c9e6dc;--on-done:#0c3a2d;--on-bar:#fff}
@media screen and (prefers-color-scheme:dark){:root{--page:#121517;--card:#191d20;--ink:#e3e7e9;--soft:#96a1a9;--line:#2b3135;--lane:#22282b;
--done:#2b6a58;--task:#d9493d;--wait:#bd922a;--platform:#d5752f;--owner:#9c6cc9;--person:#727d85;--open:#5f9fd8;--good:#4fbf9d;--mark:#191d20a8;--busy:#20483d;--on-done:#d8f3ea;--on-bar:#fff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Hiragino Sans","Noto Sans CJK JP",sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1216px;margin:0 auto;padding:28px 28px 40px}
header p{margin:0;color:var(--soft)}
h1{margin:2px 0 4px;font-size:25px;line-height:1.25;font-weight:650;letter-spacing:-.01em}
h2{margin:30px 0 8px;font-size:15px;font-weight:650}
h2 small{margin-left:8px;font-size:13px;font-weight:400;color:var(--soft)}
h3{margin:0;font-size:14px;font-weight:600}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;margin:20px 0 0;padding:0;background:var(--line);border:1px solid var(--line);border-radius:8px;overflow:hidden}
.figures div{padding:11px 14px 12px;background:var(--card)}
.figures dt{color:var(--soft);font-size:12px}
.figures dd{margin:0}
.figures dd b{display:block;font-size:20px;font-weight:600;line-height:1.3}
.figures dd span{color:var(--soft);font-size:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px}
.scroll{overflow-x:auto}
.note{margin:8px 0 0;color:var(--soft);font-size:12.5px}
.sign{display:inline-block;min-width:1.25em;font-weight:700;text-align:center}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(500px,100%),1fr));gap:0 24px}
h1 .sign{min-width:0}
.sign.done{color:var(--good)}.sign.task{color:var(--task)}.sign.wait{color:var(--wait)}.sign.platform{color:var(--platform)}.sign.owner{color:var(--owner)}.sign.person{color:var(--person)}.sign.open{color:var(--open)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:10px 0 0;padding:0;list-style:none;font-size:12.5px;color:var(--soft)}
.legend svg{width:22px;height:11px;margin-right:2px;vertical-align:-1px}
.legend b{color:var(--ink);font-weight:600}
svg text{font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
svg.timeline{display:block;width:100%;min-width:980px;height:auto}
svg .node{font-size:12px;font-weight:600;fill:var(--ink)}
svg .node .tick{font-weight:400;fill:var(--soft)}
svg .caption{font-size:11px}
.grid{stroke:var(--line);fill:none}
.lane{stroke:var(--lane);fill:none}
.busy{fill:var(--busy)}
.busy-line{stroke:var(--good);fill:none}
.limit{stroke:var(--soft);stroke-dasharray:3 3;fill:none}
.bar.done{fill:var(--done)}.ground.task{fill:var(--task)}.ground.wait{fill:var(--wait)}.ground.platform{fill:var(--platform)}.ground.owner{fill:var(--owner)}.ground.person{fill:var(--person)}
.bar.task{fill:url(#p-task)}.bar.wait{fill:url(#p-wait)}.bar.platform{fill:url(#p-platform)}.bar.owner{fill:url(#p-owner)}.bar.person{fill:url(#p-person)}
.bar.open{fill:var(--card);stroke:var(--open);stroke-dasharray:3 2}
.bar:hover{opacity:.75}
.ground{pointer-events:none}
.mark{stroke:var(--mark);stroke-width:1.3;stroke-linecap:round;fill:none}
svg .name{fill:var(--on-bar);pointer-events:none}
svg .name.done{fill:var(--on-done)}svg .name.open{fill:var(--open)}
table{width:100%;border-collapse:collapse;font-size:13px}
th{padding:5px 16px 5px 0;color:var(--soft);font-size:12px;font-weight:500;text-align:left;white-space:nowrap;border-bottom:1px solid var(--line)}
td{padding:4px 16px 4px 0;vertical-align:top;border-bottom:1px solid var(--lane)}
tr:last-child td{border-bottom:0}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right;white-space:nowrap}
.s{white-space:nowrap}
.w{overflow-wrap:anywhere}
td small{color:var(--soft);font-size:12.5px}
code,pre{font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"Noto Sans Mono",monospace}
code{overflow-wrap:anywhere}
pre{margin:6px 0 0;padding:8px 10px;max-height:280px;overflow:auto;background:var(--page);border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
.failure{padding:10px 0 12px;border-top:1px solid var(--line)}
.failure:first-child{padding-top:0;border-top:0}
.failure:last-child{padding-bottom:0}
.failure p{margin:2px 0 0;overflow-wrap:anywhere}
.failure span{color:var(--soft);font-weight:400}
summary{cursor:pointer;color:var(--soft)}
footer{margin-top:32px;padding-top:12px;border-top:1px solid var(--line);color:var(--soft);font-size:12.5px}
footer p{margin:2px 0}
@media (max-width:640px){main{padding:16px 12px 28px}h1{font-size:21px}.card{overflow-x:auto}}
@media print{body{background:#fff}main{max-width:none;padding:0}.card{break-inside:avoid-page}svg.timeline{min-width:0}}
`;
