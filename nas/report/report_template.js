'use strict';
// A page that fails says so, instead of staying empty.
window.addEventListener('error', (event) => {
  const failure = document.getElementById('failure');
  failure.hidden = false;
  failure.textContent += `This page's script failed: ${event.message}. `;
});

(() => {
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);

// ---- Elements -----------------------------------------------------------------------------------

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const html = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
const text = (x, y, anchor, content, more = {}) =>
  svg('text', {x, y, 'text-anchor': anchor, ...more}, content);

// ---- Numbers ------------------------------------------------------------------------------------

const superscript = (n) => String(n).replace(/[-\d]/g, (c) => c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]);

function short(value, digits = 3) {
  if (value === null) return '–';
  if (Math.abs(value) < 1e9) return Number(value.toPrecision(Math.max(digits, 4))).toLocaleString('en-US', {maximumFractionDigits: 10});
  const power = Math.floor(Math.log10(Math.abs(value)));
  return `${Number((value / 10 ** power).toPrecision(digits))}×10${superscript(power)}`;
}
// Enough digits to see a small difference.
function full(name, value) {
  if (value === null) return '–';
  if (name.startsWith('perplexity')) return value.toFixed(3);
  if (name === 'energy') return `${Number((value * 1e-6).toPrecision(5))} µJ`;
  if (name === 'area') return `${Number(value.toPrecision(4))} mm²`;
  if (value < 1e9) return Math.round(value).toLocaleString('en-US');
  return short(value, 5);
}
const microjoules = (value) => (value * 1e-6).toFixed(2);
const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;
const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

// ---- Networks -----------------------------------------------------------------------------------

const names = data.objectives.map((objective) => objective.name);
const networks = data.candidates.map(([id, generation, width, layers, seen]) =>
  ({id, generation, width, layers, seen, confirmed: null, operators: null, kind: 'other', marks: []}));
const byId = new Map(networks.map((network) => [network.id, network]));
const enlist = (kind) => (entry) => Object.assign(byId.get(entry.id), entry, {kind});
const members = data.members.map(enlist('front'));
const dropped = data.dropped.map(enlist('dropped'));
for (const each of data.named) byId.get(each.id).marks.push(each);

let showConfirmed = data.confirmation !== null;
let selected = null;

// What a perplexity is per word and in bits per byte, where the text has words.
const units = data.text === null ? [] : [
  {name: 'per word', of: (perplexity) => perplexity ** data.text.tokens_per_word,
   show: (value) => Number.isFinite(value) ? value.toFixed(2) : '–'},
  {name: 'bits per byte', of: (perplexity) => Math.log2(perplexity) / data.text.bytes_per_token,
   show: (value) => value.toFixed(4)}];

// An objective as what stands in tables: itself, and a perplexity in its other units.
function quantitiesOf(index) {
  const name = names[index];
  const more = !name.startsWith('perplexity') ? [] : units.map((unit) => ({...unit, of: (values) => unit.of(values[index])}));
  return [{name, of: (values) => values[index], show: (value) => full(name, value)}, ...more];
}

function describe(network) {
  const heads = network.layers.map(([h]) => h).join(' ');
  const widths = network.layers.map(([, f]) => f).join(' ');
  const bits = network.layers.map(([, , b = 8]) => b);
  const weights = bits.some((b) => b !== 8) ? `, bits per weight ${bits.join(' ')}` : '';
  return `width ${network.width}, ${counted(network.layers.length, 'layer')}: heads ${heads}, FFN ${widths}${weights}`;
}

// ---- The front ----------------------------------------------------------------------------------

// The charts are drawn by nas/report/plot.cpp; here their parts are shown, moved and pointed at.
const chart = $('chart');
chart.innerHTML = data.charts.front;
const plot = chart.firstElementChild;
const ends = (line, name) => [1, 2].map((end) => line[name + end].baseVal.value);
const [alongX, alongY] = plot.querySelectorAll('.axis');
const [left, right] = ends(alongX, 'x'), [top, bottom] = ends(alongY, 'y');
const axes = {x: names.indexOf(data.chosen[1]), y: names.indexOf(data.chosen[0])};
const marker = plot.appendChild(svg('circle', {class: 'chosen', r: 11, visibility: 'hidden'}));
const labels = plot.appendChild(svg('g'));
let places = [];  // {network, x, y} in the chart

function drawFront() {
  const shown = ['x', names[axes.x], 'y', names[axes.y], showConfirmed ? 'confirmed' : 'seen'].join(' ');
  for (const group of plot.querySelectorAll('[data-for]'))
    group.style.display = shown.includes(group.dataset.for) ? '' : 'none';
  // A member is there twice: as all are, and then again as confirmed.
  places = [...new Map([...plot.querySelectorAll('[data-id]')].map((dot) => {
    const at = ((!showConfirmed && dot.dataset.seen) || dot.dataset.at).split(' ');
    const x = left + (right - left) * at[axes.x] / 1e4, y = bottom + (top - bottom) * at[axes.y] / 1e4;
    fill(dot, {cx: x, cy: y}, []);
    return [dot.dataset.id, {network: byId.get(dot.dataset.id), x, y}];
  })).values()];
  nameMembers();
  placeMarker();
}

// Rings around the members that stand out, and their names, each below those it would overlap.
function nameMembers() {
  labels.replaceChildren();
  const taken = [];
  for (const {network, x, y} of places.filter((place) => place.network.marks.length > 0)) {
    const toRight = x < left + 120;
    let height = toRight ? y - 8 : y + 18;
    while (taken.some((other) => Math.abs(other.x - x) < 120 && Math.abs(other.height - height) < 14)) height += 4;
    taken.push({x, height});
    labels.append(svg('circle', {class: 'ring', cx: x, cy: y, r: 8}),
                  text(toRight ? x + 11 : x - 9, height, toRight ? 'start' : 'end',
                       network.marks.map((mark) => mark.name).join(', '), {class: 'name'}));
  }
}

function placeMarker() {
  const place = places.find((each) => each.network === selected);
  marker.setAttribute('visibility', place ? 'visible' : 'hidden');
  if (place) fill(marker, {cx: place.x, cy: place.y}, []);
}

// Where the pointer is, in the units of a chart.
function inChart(picture, event) {
  const frame = picture.getBoundingClientRect();
  const scale = picture.viewBox.baseVal.width / frame.width;
  return [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
}

// The network under the pointer; members of the front are easier to hit than the others.
function nearest(event) {
  const [px, py] = inChart(plot, event);
  let best = null, least = 22;
  for (const {network, x, y} of places) {
    const distance = Math.hypot(x - px, y - py) + (network.kind === 'other' ? 6 : 0);
    if (distance < least) [best, least] = [network, distance];
  }
  return best;
}

function valueTable(network, wanted) {
  const confirmed = network.confirmed !== null;
  const head = html('tr', {}, html('th', {}, ''), html('th', {}, confirmed ? 'search' : 'value'));
  if (confirmed) head.append(html('th', {}, 'confirmed'), html('th', {}, 'change'));
  const body = html('tbody');
  for (const {name, of, show} of wanted.flatMap(quantitiesOf)) {
    const seen = of(network.seen);
    const row = html('tr', {}, html('td', {}, name), html('td', {}, show(seen)));
    if (confirmed) {
      const now = of(network.confirmed);
      const change = now / seen - 1;
      row.append(html('td', {}, show(now)),
                 html('td', {class: 'muted'}, now === seen ? '' : (change > 0 ? '+' : '') + percent(change)));
    }
    body.append(row);
  }
  // Of members alone, where the search did not go by it.
  if (network.perplexity_int8 && !names.includes('perplexity_int8'))
    body.append(html('tr', {}, html('td', {}, 'in int8'), html('td', {}, '–'),
                     html('td', {}, network.perplexity_int8.toFixed(3)), html('td')));
  if (network.hardware) body.append(html('tr', {}, html('td', {}, 'on'), html('td', {colspan: 3}, network.hardware)));
  return html('table', {}, html('thead', {}, head), body);
}

function showTooltip(network, event) {
  const tip = $('tooltip');
  tip.hidden = network === null;
  if (network === null) return;
  const shown = [...new Set([axes.y, axes.x, ...data.chosen.map((name) => names.indexOf(name))])];
  tip.replaceChildren(html('div', {class: 'id muted'}, network.id), html('div', {}, describe(network)),
                      valueTable(network, shown));
  const room = document.documentElement.clientWidth - tip.offsetWidth - 12;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 16, room)) + window.scrollX}px`;
  tip.style.top = `${event.clientY + 18 + window.scrollY}px`;
}

chart.addEventListener('pointermove', (event) => showTooltip(nearest(event), event));
chart.addEventListener('pointerleave', () => showTooltip(null));
chart.addEventListener('click', (event) => {
  const network = nearest(event);
  if (network) choose(network);
});
chart.addEventListener('keydown', (event) => {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (!step || members.length === 0) return;
  event.preventDefault();
  const along = places.filter(({network}) => network.kind === 'front').sort((a, b) => a.x - b.x)
    .map(({network}) => network);
  const at = along.indexOf(selected);
  choose(along[at < 0 ? 0 : Math.min(along.length - 1, Math.max(0, at + step))]);
});

// ---- One network --------------------------------------------------------------------------------

const groups = [['projections', /^attention\.(qkv|output)$/], ['scores, context', /^attention\.(scores|context)$/],
                ['softmax', /softmax/], ['FFN', /^ffn\.(up|gelu|down)$/],
                ['norms, residuals', /norm|residual/], ['embedding, LM head', /./]];
const groupOf = (role) => groups.findIndex(([, pattern]) => pattern.test(role));
let quantity = 0;  // of operators: 0 latency, 1 energy
const quantities = [data.latency_unit, 'energy'];

// A row per layer, the last one on top: heads as squares, the FFN as a bar, out of what the space
// has; below them the model width.
function drawLayers(network) {
  const width = 330, row = 30, left = 26, most = data.largest;
  const head = Math.min(22, 120 / most.heads);
  const ffn = Math.max(106, left + head * most.heads + 18), numbers = 40;
  const depth = network.layers.length;
  const picture = svg('svg', {viewBox: `0 0 ${width} ${row * (depth + 1) + 26}`, class: 'plot', role: 'img',
                              'aria-label': describe(network)});
  const bar = (x, y, share, colour, value) => {
    const room = width - numbers - x;
    picture.append(svg('rect', {x, y, width: room, height: 22, rx: 3, fill: 'var(--soft)'}),
                   svg('rect', {x, y, width: room * share, height: 22, rx: 3, fill: colour}),
                   text(width - 4, y + 15, 'end', value, {class: 'number'}));
  };
  picture.append(text(left, 12, 'start', 'heads'), text(ffn, 12, 'start', 'FFN width'));
  network.layers.forEach(([heads, wide, bits = 8], layer) => {
    const y = 20 + row * (depth - 1 - layer);
    picture.append(text(left - 10, y + 15, 'end', layer + 1));
    for (let h = 0; h < most.heads; ++h)
      picture.append(svg('rect', {x: left + h * head, y, width: head - 3, height: 22, rx: 3,
                                  fill: h < heads ? 'var(--c0)' : 'var(--soft)'}));
    bar(ffn, y, wide / most.ffn_width, 'var(--c3)', wide);
    if (bits !== 8) picture.append(text(ffn + 6, y + 15, 'start', `${bits}-bit weights`));
  });
  const y = 24 + row * depth;
  picture.append(text(left, y + 15, 'start', 'model width'));
  bar(ffn, y, network.width / most.model_width, 'var(--c5)', network.width);
  return picture;
}

// A bar per layer, cut by kind of operator; pointing at a piece names it.
function drawCosts(network) {
  const layers = [...new Set(network.operators.map(([, layer]) => layer))].sort((a, b) => b - a);
  const cost = (operator) => operator[2 + quantity];
  const of = (layer) => network.operators.filter((operator) => operator[1] === layer);
  const sum = (list) => list.reduce((total, operator) => total + cost(operator), 0);
  const most = Math.max(...layers.map((layer) => sum(of(layer))));
  const width = 330, left = 44, row = 26;
  const picture = svg('svg', {viewBox: `0 0 ${width} ${row * layers.length}`, class: 'plot', role: 'img',
                              'aria-label': `${quantities[quantity]} per layer and operator`});
  layers.forEach((layer, index) => {
    const y = row * index;
    let x = left;
    picture.append(text(left - 8, y + 15, 'end', layer < 0 ? 'ends' : `layer ${layer + 1}`, {style: 'font-size:11px'}));
    const sorted = of(layer).sort((a, b) => groupOf(data.roles[a[0]]) - groupOf(data.roles[b[0]]));
    for (const operator of sorted) {
      const role = data.roles[operator[0]];
      const wide = (width - left - 4) * cost(operator) / most;
      picture.append(svg('rect', {x, y: y + 1, width: Math.max(0, wide), height: row - 6, class: 'operator',
                                  fill: `var(--c${groupOf(role)})`},
                         svg('title', {}, `${role}, ${layer < 0 ? 'outside the layers' : `layer ${layer + 1}`}: ` +
                             `${full('latency', operator[2])} ${data.latency_unit}, ${full('energy', operator[3])}`)));
      x += wide;
    }
  });
  return picture;
}

function roleTable(network) {
  const totals = data.roles.map((role) => ({role, cost: [0, 0]}));
  for (const [role, , cycles, energy] of network.operators) {
    totals[role].cost[0] += cycles;
    totals[role].cost[1] += energy;
  }
  const all = [0, 1].map((which) => totals.reduce((sum, each) => sum + each.cost[which], 0));
  const body = html('tbody');
  for (const {role, cost} of totals.filter((each) => each.cost[0] + each.cost[1] > 0))
    body.append(html('tr', {}, html('td', {}, role),
                     html('td', {}, full('latency', cost[0])), html('td', {class: 'muted'}, percent(cost[0] / all[0], 1)),
                     html('td', {}, microjoules(cost[1])), html('td', {class: 'muted'}, percent(cost[1] / all[1], 1))));
  body.append(html('tr', {}, html('td', {}, html('b', {}, 'together')), html('td', {}, full('latency', all[0])),
                   html('td'), html('td', {}, microjoules(all[1])), html('td')));
  const head = html('tr', {}, ...['operator', data.latency_unit, '', 'µJ', ''].map((name) => html('th', {}, name)));
  return html('div', {class: 'scroll roles'}, html('table', {}, html('thead', {}, head), body));
}

function operatorCosts(network) {
  const part = html('div', {id: 'operators'});
  if (!network.operators) {
    part.append(html('p', {class: 'muted small'}, 'Costs of single operators are kept for members of the front.'));
    return part;
  }
  const buttons = quantities.map((name, index) => {
    const button = html('button', {type: 'button', 'aria-pressed': index === quantity}, name);
    button.addEventListener('click', () => { quantity = index; showDetail(); });
    return button;
  });
  const used = new Set(network.operators.map(([role]) => groupOf(data.roles[role])));
  part.append(html('div', {class: 'controls'}, ...buttons), drawCosts(network),
              legend(groups.map(([name], index) => [name, `var(--c${index})`]).filter((_, index) => used.has(index))),
              roleTable(network));
  return part;
}

function statusOf(network) {
  const badges = [];
  if (network.kind === 'front') badges.push(html('span', {class: 'badge front'}, 'front'));
  for (const mark of network.marks) badges.push(html('span', {class: 'badge'}, mark.name));
  if (network.kind === 'dropped') badges.push(html('span', {class: 'badge'}, 'dropped: ', reasonOf(network)));
  if (network.kind === 'other') badges.push(html('span', {class: 'badge'}, 'not on the front'));
  badges.push(html('span', {class: 'badge'}, `generation ${network.generation}`));
  return html('p', {}, ...badges);
}

function reasonOf(network) {
  if (network.limit) return network.limit;
  return html('span', {}, 'dominated by ',
              html('a', {href: `#${network.dominated_by}`, class: 'id'}, network.dominated_by.slice(0, 8)));
}

function showDetail() {
  const panel = $('detail');
  panel.replaceChildren(html('h2', {}, 'Network ', html('span', {class: 'id', id: 'chosen-id'}, selected.id)),
                        statusOf(selected), html('h3', {}, 'Values'),
                        html('div', {class: 'scroll values'}, valueTable(selected, names.map((_, index) => index))),
                        html('h3', {}, 'Architecture'), drawLayers(selected),
                        html('h3', {}, 'Predicted cost of its operators'), operatorCosts(selected));
}

function choose(network, keepHash = false) {
  selected = network;
  if (!keepHash) history.replaceState(null, '', `#${network.id}`);
  placeMarker();
  showDetail();
  for (const row of document.querySelectorAll('tr[data-id]'))
    row.classList.toggle('chosen-row', row.dataset.id === network.id);
}

function chooseFromHash() {
  const network = byId.get(location.hash.slice(1));
  if (network) choose(network, true);
  return Boolean(network);
}

// ---- Tables of members --------------------------------------------------------------------------

function fillTable(table, list, more) {
  const shown = [...new Set([...data.chosen, 'latency', 'energy'])].flatMap((name) => quantitiesOf(names.indexOf(name)));
  const head = html('tr', {}, html('th', {}, 'id'), ...shown.map(({name}) => html('th', {}, name)),
                    html('th', {class: 'text'}, 'network'), html('th', {class: 'text'}, more.name));
  const body = html('tbody');
  for (const network of list) {
    const values = shown.map(({of, show}) => html('td', {}, show(of(network.confirmed || network.seen))));
    body.append(html('tr', {'data-id': network.id},
                     html('td', {}, html('a', {href: `#${network.id}`, class: 'id'}, network.id.slice(0, 8))),
                     ...values, html('td', {class: 'text'}, describe(network)),
                     html('td', {class: 'text'}, more.of(network))));
  }
  table.append(html('thead', {}, head), body);
}

function drawTables() {
  $('members-title').textContent = `${counted(members.length, 'member')} of the front, ` +
    (data.confirmation ? 'as confirmed' : 'as predicted');
  fillTable($('members'), members,
            {name: '', of: (network) => network.marks.map((mark) => mark.name).join(', ')});
  $('dropped-card').hidden = dropped.length === 0;
  if (dropped.length > 0) fillTable($('dropped'), dropped, {name: 'because', of: reasonOf});
  $('named-card').hidden = data.named.length === 0;
  for (const each of data.named) {
    const network = byId.get(each.id);
    const values = data.chosen.flatMap((name) => quantitiesOf(names.indexOf(name))).map(({name, of, show}) =>
      `${name} ${show(of(network.confirmed || network.seen))}`);
    $('named').append(html('a', {href: `#${each.id}`}, html('b', {}, each.name),
                           html('span', {class: 'muted small'}, each.text), html('br'), values.join(', ')));
  }
}

// ---- Curves -------------------------------------------------------------------------------------

function legend(entries) {
  return html('ul', {class: 'legend'}, ...entries.map(([name, colour]) => {
    const output = html('output');
    return html('li', {}, svg('svg', {viewBox: '0 0 16 12'}, svg('rect', {y: 2, width: 14, height: 8, rx: 2, fill: colour})),
                `${name} `, output);
  }));
}

// `points`: [x, a value per name...]; pointing at the plot reads the values there.
function showCurves(name, curves, points) {
  const card = $(`${name}-card`);
  card.hidden = data.charts[name] === null;
  if (card.hidden) return;
  const place = card.appendChild(html('div', {class: 'plot'}));
  place.innerHTML = data.charts[name];
  const picture = place.firstElementChild;
  const colours = curves.map((_, index) => `var(--c${index % 6})`);
  const list = card.appendChild(legend(curves.map((curve, index) => [curve, colours[index]])));
  const outputs = list.querySelectorAll('output');
  const drawn = [...picture.querySelectorAll('polyline')].map((curve, index) => {
    curve.style.stroke = colours[index];
    const known = points.filter((point) => point[0] !== null && point[index + 1] !== null);
    return [...curve.points].map(({x}, at) => ({x, value: known[at][index + 1]}));
  });
  const [y1, y2] = ends(picture.querySelectorAll('.axis')[1], 'y');
  const cursor = picture.appendChild(svg('line', {class: 'cursor', y1, y2}));
  place.onpointermove = (event) => {
    const [at] = inChart(picture, event);
    drawn.forEach((curve, index) => {
      const near = curve.reduce((a, b) => Math.abs(b.x - at) < Math.abs(a.x - at) ? b : a, {x: Infinity, value: null});
      if (near.value !== null) fill(cursor, {x1: near.x, x2: near.x}, []);
      outputs[index].textContent = short(near.value, 4);
    });
  };
}

// ---- The page -----------------------------------------------------------------------------------

function drawHeader() {
  $('title').textContent = `Search over ${data.title}`;
  document.title = `${data.title}: Paretoformer report`;
  const share = short(data.networks_in_space);
  $('subtitle').textContent = `${data.chosen.join(' against ')}, ${deviceText()}. ` +
    (data.confirmation ? confirmationText() : 'The front is as predicted: it is not confirmed yet.');
  const last = data.hypervolume[data.hypervolume.length - 1];
  const tiles = [['networks evaluated', networks.length.toLocaleString('en-US'), `of ${share}`],
                 ['on the front', members.length, dropped.length > 0 ? `${dropped.length} dropped` : ''],
                 ['hypervolume', last ? last[1].toFixed(4) : '–', 'of the reference box']];
  if (data.confirmation)
    for (const [name, mean, largest] of data.confirmation.errors)
      if (name !== 'perplexity')
        tiles.push([`predicted ${name} off by`, percent(mean), `at most ${percent(largest)}`]);
  for (const [name, value, note] of tiles)
    $('tiles').append(html('div', {}, html('dt', {}, name), html('dd', {}, `${value} `, html('small', {}, note))));
}

function deviceText() {
  const {array_size: size} = data.config.hardware;
  const {mode, sequence_length: length} = data.config.workload;
  return (data.device ? `on ${data.device}` : `on a ${size} × ${size} systolic array`) +
    `, ${mode} of ${counted(length, 'position')}`;
}

function confirmationText() {
  const {validation_tokens: tokens, unsimulated} = data.confirmation;
  return `Members are confirmed on the whole validation text (${tokens.toLocaleString('en-US')} tokens)` +
    (unsimulated ? `; their cost is the predicted one: ${unsimulated}.` : ' and by simulation of the whole network.');
}

for (const [id, axis] of [['axis-x', 'x'], ['axis-y', 'y']]) {
  data.objectives.forEach((objective, index) => $(id).append(html('option', {value: index}, objective.label)));
  $(id).value = axes[axis];
  $(id).addEventListener('change', (event) => { axes[axis] = Number(event.target.value); drawFront(); });
}
$('values-label').hidden = !data.confirmation;
$('values').addEventListener('change', (event) => { showConfirmed = event.target.value === 'confirmed'; drawFront(); });
$('config').textContent = JSON.stringify(data.config, null, 2);
$('provenance').textContent = JSON.stringify(data.provenance, null, 2);

function drawStudy() {
  $('study-card').hidden = false;
  $('study').innerHTML = data.charts.study;
  const cells = (kind, row) => html('tr', {}, ...row.map((cell) => html(kind, {}, cell)));
  for (const {title, rows: [head, ...rows]} of data.study.tables)
    $('study-card').append(html('div', {class: 'scroll'}, html('table', {}, html('caption', {}, title),
      html('thead', {}, cells('th', head)), html('tbody', {}, ...rows.map((row) => cells('td', row))))));
  for (const line of data.study.summary) $('study-card').append(html('p', {class: 'muted small'}, line));
}

drawHeader();
if (data.study) drawStudy();
$('dropped-sign').hidden = dropped.length === 0;
drawTables();
drawFront();
showCurves('hypervolume', ['share of the reference box'], data.hypervolume);
showCurves('training', data.training.names, data.training.points);
showCurves('convergence', ...(data.convergence ? [data.convergence.names, data.convergence.points] : []));
const first = data.named.length > 0 ? byId.get(data.named[0].id) : members[0] || networks[0];
if (!chooseFromHash() && first) choose(first, true);
window.addEventListener('hashchange', chooseFromHash);
document.body.dataset.ready = 'true';
})();
