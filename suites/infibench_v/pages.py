"""The pages that our questions show: HTML, width and height of the window."""

from __future__ import annotations

STYLE = (
    "<style>body{font:16px sans-serif;margin:16px;background:#fff;color:#222}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:6px 14px;text-align:left}th{background:#eef2f7}</style>"
)

PRICES = f"""<!DOCTYPE html><title>Prices</title>{STYLE}
<h2 style="margin:0 0 10px">Prices per licence</h2>
<table><tr><th>Licences</th><th>Each</th></tr>
<tr><td>1 to 9</td><td>$30</td></tr><tr><td>10 to 49</td><td>$26</td></tr>
<tr><td>50 to 199</td><td>$21</td></tr><tr><td>200 and more</td><td>$17</td></tr></table>"""

RATES = f"""<!DOCTYPE html><title>Parcels</title>{STYLE}
<h2 style="margin:0 0 10px">Parcel rates</h2>
<table><tr><th>Weight</th><th>Inland</th><th>Abroad</th></tr>
<tr><td>up to 2 kg</td><td>4.90</td><td>11.50</td></tr><tr><td>up to 5 kg</td><td>6.70</td><td>17.20</td></tr>
<tr><td>up to 10 kg</td><td>9.40</td><td>26.80</td></tr></table><p>Heavier parcels are not taken.</p>"""

BOXES = """<!DOCTYPE html><title>Boxes</title><style>body{margin:16px;font:15px sans-serif;background:#fff}
.stage{border:2px dashed #888;width:420px;height:220px;display:flex;flex-direction:column;align-items:flex-end;
justify-content:space-between}.stage div{background:#2f6db3;color:#fff;padding:12px 20px}</style>
<div class="stage"><div>first</div><div>second item</div><div>third</div></div>"""

DIALOG = """<!DOCTYPE html><title>Importer</title><style>body{margin:16px;background:#c9d3df;font:15px sans-serif}
.w{background:#f4f4f4;border:1px solid #555;width:520px;margin-bottom:14px}
.t{background:#2b5797;color:#fff;padding:6px 10px}
.b{padding:14px;overflow:auto}.p{border:1px solid #888;height:20px;background:#fff}
.p div{width:31%;height:20px;background:#3aa655}
button{float:right;margin:8px 0 12px;padding:4px 20px}</style>
<div class="w"><div class="t">Importer: 310 of 1000 rows</div><div class="b">
<div class="p"><div></div></div></div></div>
<div class="w"><div class="t">Unhandled exception</div><div class="b"><b>System.InvalidOperationException</b><br><br>
Cross-thread operation not valid: Control <b>'rowsBar'</b> accessed from a thread other than the thread it was created
on.<br><br><tt>at Importer.MainForm.ReadRows() in MainForm.cs:line 42</tt><br><button>Quit</button></div></div>"""

PHONE = """<!DOCTYPE html><title>Phone</title><style>body{margin:16px;background:#fff;font:18px sans-serif}
.s{width:320px;height:420px;border:8px solid #222;border-radius:22px;overflow:hidden;position:relative}
.a{background:#1976d2;color:#fff;padding:16px}.r{white-space:nowrap;padding:18px 10px;display:flex;gap:10px}
.o{position:absolute;right:0;top:55px;height:62px;width:26px;background:repeating-linear-gradient(45deg,#fd0 0 9px,#111
9px 18px)}.e{position:absolute;right:28px;top:122px;font:bold 12px monospace;color:#fff;background:#d00;padding:3px}
</style><div class="s"><div class="a">Chats</div><div class="r"><span>&#9993;</span>
<span>The parcel that you are waiting for has arrived</span></div>
<div class="o"></div><div class="e">RIGHT OVERFLOWED BY 84 PIXELS</div></div>"""

WEEK = ("Sa", "Su", "Mo", "Tu", "We", "Th", "Fr")
CELLS = [*range(1, 32), *[""] * 4]
CALENDAR = (
    f"""<!DOCTYPE html><title>Picker</title>{STYLE}<style>td,th{{width:30px;text-align:center;padding:7px 4px}}
td{{border-color:#e4e4e4}}.c{{border:1px solid #888;border-radius:6px;padding:10px 14px;display:inline-block}}</style>
<div class="c"><div style="text-align:center;margin-bottom:8px">&lsaquo; &nbsp; <b>March 2025</b> &nbsp; &rsaquo;</div>
<table><tr>"""
    + "".join(f"<th>{day}</th>" for day in WEEK)
    + "".join(
        "<tr>" + "".join(f"<td>{day}</td>" for day in CELLS[start : start + 7]) + "</tr>" for start in range(0, 35, 7)
    )
    + "</table></div>"
)

EDITOR_STYLE = """<style>body{margin:0;background:#fff;font:14px sans-serif}.e{font:14px monospace;padding:10px 0}
.l{white-space:pre;padding:3px 12px}.n{color:#8a8a8a;display:inline-block;width:26px}.c{color:#008000}.k{color:#0000c0}
.s{color:#a31515}.u{text-decoration:underline wavy #d00 1px;text-underline-offset:3px}
.t{background:#ececec;padding:7px 12px;border-bottom:1px solid #ccc}.p{border-top:1px solid #ccc;background:#fafafa;
padding:9px 12px}.x{color:#d00;font-weight:bold}</style>"""

EDITOR = f"""<!DOCTYPE html><title>Editor</title>{EDITOR_STYLE}<div class="t">config.ts &nbsp; &times;</div><div class="e">
<div class="l"><span class="n">1</span><span class="c">// Development: the shop answers on port 4173.</span></div>
<div class="l"><span class="n">2</span><span class="c">// Production sets SHOP_PORT.</span></div>
<div class="l"><span class="n">3</span><span class="k">export const</span> host: <span class="k">string</span> = <span class="s">"127.0.0.1"</span>;</div>
<div class="l"><span class="n">4</span><span class="k">export const</span> <span class="u">port</span>: <span class="k">number</span> = process.env.SHOP_PORT;</div></div>
<div class="p"><b>Problems</b> (1)<br><br><span class="x">&#10006;</span> Type 'string | undefined' is not assignable to type
'number'.<br>&nbsp;&nbsp;&nbsp; Type 'undefined' is not assignable to type 'number'. &nbsp; <span style="color:#777">ts(2322)
[Ln 4, Col 14]</span></div>"""

TIMETABLE = f"""<!DOCTYPE html><title>Timetable</title>{STYLE}<style>td,th{{text-align:center;min-width:70px}}</style>
<table><tr><th></th><th>Room A</th><th>Room B</th><th>Room C</th></tr>
<tr><th>9:00</th><td rowspan="2">Soldering</td><td colspan="2">Radio</td></tr>
<tr><th>10:00</th><td>Lenses</td><td>Chess</td></tr><tr><th>11:00</th><td colspan="3">Lunch</td></tr>
<tr><th>12:00</th><td>Robots</td><td rowspan="2">Drones</td><td>Chess</td></tr>
<tr><th>13:00</th><td>Robots II</td><td>Lenses</td></tr></table>"""

LAYOUT = """<!DOCTYPE html><title>Layout</title><style>body{margin:16px;background:#fff;font:17px monospace}.g{display:grid;
width:560px;grid-template:56px 96px 80px 48px/130px 1fr 120px;gap:4px;grid-template-areas:"l h h" "m t s" "m p p" "m f f"}
.g div{display:flex;align-items:center;justify-content:center;color:#fff}</style><div class="g">
<div style="grid-area:l;background:#8a3ffc">logo</div><div style="grid-area:h;background:#0f62fe">head</div>
<div style="grid-area:m;background:#198038">menu</div><div style="grid-area:t;background:#6f6f6f">text</div>
<div style="grid-area:s;background:#b28600">side</div><div style="grid-area:p;background:#ba4e00">plot</div>
<div style="grid-area:f;background:#343a3f">foot</div></div>"""


def frame(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A data frame as a notebook shows it."""
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{cells}</table>"


NOTEBOOK = (
    """<!DOCTYPE html><title>Notebook</title><style>body{margin:14px;background:#fff;font:14px sans-serif}
table{border-collapse:collapse;margin:6px 0 14px 64px}td,th{padding:4px 14px;text-align:right}
tr:nth-child(odd) td{background:#f5f5f5}th{border-bottom:1px solid #999}.i{font-family:monospace;color:#303f9f}
td:first-child{font-weight:bold}</style><div class="i">In [7]: df</div>"""
    + frame(
        ("", "depot", "quarter", "crates", "van"),
        [
            ("0", "Oslo", "Q1", "30", "A"),
            ("1", "Oslo", "Q1", "12", "B"),
            ("2", "Oslo", "Q3", "8", "A"),
            ("3", "Riga", "Q2", "25", "C"),
            ("4", "Riga", "Q2", "25", "A"),
            ("5", "Riga", "Q3", "4", "C"),
        ],
    )
    + '<div class="i">In [8]: wide</div>'
    + frame(("depot", "Q1", "Q2", "Q3"), [("Oslo", "42", "0", "8"), ("Riga", "0", "50", "4")])
    .replace("<table><tr>", "<table><tr><th>quarter</th><th>Q1</th><th>Q2</th><th>Q3</th></tr><tr>")
    .replace("<th>depot</th><th>Q1</th><th>Q2</th><th>Q3</th>", "<th>depot</th><th></th><th></th><th></th>")
)

WINDOW = """<!DOCTYPE html><title>Window</title><style>body{margin:16px;background:#fff;font:14px sans-serif}
.f{display:grid;grid-template:40px 210px 70px 28px/340px 240px;gap:0 12px}.f>*{display:flex;align-items:center}
.w{border:1px solid #555;justify-content:center;border-top:0}.d{color:#b35a00}.d::before{content:"";width:8px;height:84%;
border:2px solid #b35a00;border-left:0;margin-right:8px}</style><div style="width:340px;background:#2b5797;color:#fff;
padding:5px 0;text-align:center;border:1px solid #555;box-sizing:border-box">Gallery</div><div class="f">
<div class="w" style="background:#eee">menu and buttons</div><div class="d">as high as what is in it</div>
<div class="w">pictures</div><div class="d">3 parts of what is left</div>
<div class="w" style="background:#f7f7ea">details</div><div class="d">1 part of what is left</div>
<div class="w" style="background:#e3e9f2">status</div><div class="d">always 28 units</div></div>"""

SIDES = (range(11, 0, -2), range(2, 13, 2))
HALL = """<!DOCTYPE html><title>Hall</title><style>body{margin:16px;background:#fff;font:12px sans-serif}.r{display:flex;
align-items:center}.s{width:38px;padding:7px 0;margin:3px;text-align:center;background:#dce8f7;border:1px solid #2f6db3;
border-radius:6px 6px 2px 2px}.a{width:52px;text-align:center;color:#999}.st{width:598px;background:#333;color:#fff;
text-align:center;padding:6px 0;margin-bottom:10px}.o{width:598px;text-align:center;font-size:20px}</style>
<div class="st">STAGE</div>""" + "".join(
    '<div class="o">&hellip;</div>'
    if row == "."
    else '<div class="r">'
    + "".join(f'<div class="s">{row}{seat}</div>' for seat in SIDES[0])
    + '<div class="a">aisle</div>'
    + "".join(f'<div class="s">{row}{seat}</div>' for seat in SIDES[1])
    + "</div>"
    for row in "ABC.GHJK."
)

GUESTS = f"""<!DOCTYPE html><title>Guests</title>{EDITOR_STYLE}<style>.g{{padding:12px 16px;font-size:16px}}</style>
<div class="t">https://book.example/guests</div><div class="g"><h3 style="margin:0 0 8px">Guest book</h3>
<p><b>JÃ¼rgen MÃ¼ller</b>: SchÃ¶nes Hotel!</p><p><b>AndrÃ© LefÃ¨vre</b>: Ã  bientÃ´t!</p></div>
<div class="t">guests.php</div><div class="e"><div class="l"><span class="n">8</span>$pdo = <span class="k">new</span> PDO(<span class="s">'mysql:host=db2;dbname=guests;charset=latin1'</span>, $user, $password);</div></div>"""

STAFF = (
    f"""<!DOCTYPE html><title>Staff</title>{STYLE}<style>.two{{display:flex;gap:40px}}h4{{margin:0 0 6px}}
td,th{{padding:5px 10px;font:14px monospace}}</style><div class="two"><div><h4>staff</h4>"""
    + frame(
        ("id", "name", "boss"),
        [("1", "Ines", "<i>NULL</i>"), ("2", "Omar", "1"), ("3", "Tove", "1"), ("4", "Bela", "3")],
    )
    + "</div><div><h4>wanted</h4>"
    + frame(
        ("person", "level", "chain"),
        [
            ("Bela", "3", "Bela &lt; Tove &lt; Ines"),
            ("Omar", "2", "Omar &lt; Ines"),
            ("Tove", "2", "Tove &lt; Ines"),
            ("Ines", "1", "Ines"),
        ],
    )
    + "</div></div>"
)

START = """<!DOCTYPE html><title>Phone</title><style>body{margin:16px;background:#fff;font:16px sans-serif}
.s{width:320px;height:440px;border:8px solid #222;border-radius:22px;overflow:hidden;position:relative;background:#eef1f5}
</style><div class="s"><div style="padding:18px;font-size:20px">Field notes</div>
<div style="margin:8px 18px;height:90px;background:#fff;border-radius:8px"></div>
<div style="margin:8px 18px;height:90px;background:#fff;border-radius:8px"></div>
<svg style="position:absolute;left:0;bottom:0" width="320" height="110" viewBox="0 0 320 110">
<path d="M0 46 H212 C222 46 224 52 226 56 A36 36 0 0 0 294 56 C296 52 298 46 306 46 H320 V110 H0z" fill="#1976d2"/>
<circle cx="260" cy="46" r="28" fill="#ff7043"/>
<path d="M246 40 h6 l3 -5 h10 l3 5 h6 v19 h-28z" fill="#fff"/><circle cx="260" cy="49" r="6.5" fill="#ff7043"/>
<g fill="#fff"><rect x="28" y="66" width="22" height="4"/><rect x="28" y="74" width="22" height="4"/>
<rect x="28" y="82" width="22" height="4"/><circle cx="110" cy="75" r="9" fill="none" stroke="#fff" stroke-width="3"/>
<line x1="117" y1="82" x2="125" y2="90" stroke="#fff" stroke-width="3"/></g></svg></div>"""

PAGES = {
    "javascript-001": (PRICES, 340, 260),
    "ruby-001": (RATES, 380, 290),
    "html-css-001": (BOXES, 460, 260),
    "csharp-001": (DIALOG, 560, 330),
    "dart-001": (PHONE, 372, 470),
    "javascript-002": (CALENDAR, 350, 290),
    "typescript-003": (EDITOR, 600, 225),
    "html-css-002": (TIMETABLE, 430, 225),
    "html-css-003": (LAYOUT, 592, 324),
    "python-004": (NOTEBOOK, 420, 380),
    "csharp-002": (WINDOW, 630, 420),
    "csharp-003": (HALL, 630, 420),
    "php-003": (GUESTS, 700, 230),
    "sql-001": (STAFF, 620, 210),
    "dart-002": (START, 372, 490),
}
