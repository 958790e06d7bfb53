// Objects, closures, strings, arrays, and regular expressions, in the language's fifth edition, which Node and Rhino
// both take. Prints numbers. Takes how much to do as a factor.
var args = typeof process === "undefined" ? arguments : process.argv.slice(2);
var say = typeof console === "undefined" ? print : console.log;
var scale = Number(args[0]);
var seed = 1;
function number() {
    seed = (seed * 16807) % 2147483647;
    return seed;
}

function Shape(n) { this.n = n; }
Shape.prototype.area = function () { return 0; };
function Square(n) { Shape.call(this, n); }
Square.prototype = Object.create(Shape.prototype);
Square.prototype.area = function () { return this.n * this.n; };
function Disc(n) { Shape.call(this, n); }
Disc.prototype = Object.create(Shape.prototype);
Disc.prototype.area = function () { return 3 * this.n * this.n; };

function shapes(rounds) {
    var all = [], sum = 0;
    for (var i = 0; i < 1000; i++) all.push(number() % 2 ? new Square(i % 17) : new Disc(i % 13));
    for (var r = 0; r < rounds; r++)
        for (var j = 0; j < all.length; j++) sum = (sum + all[j].area()) % 1000003;
    return sum;
}

function tree(depth) { return depth ? { left: tree(depth - 1), right: tree(depth - 1) } : { left: null, right: null }; }
function count(node) { return node.left ? 1 + count(node.left) + count(node.right) : 1; }

function words(n) {
    var counts = {}, text = [];
    for (var i = 0; i < n; i++) {
        var word = (number() % 5000).toString(36);
        counts[word] = (counts[word] || 0) + 1;
        text.push(word);
    }
    var best = Object.keys(counts).sort(function (a, b) { return counts[b] - counts[a] || (a < b ? -1 : 1); });
    return best.slice(0, 5).join() + text.join(" ").replace(/([a-f])(\d)/g, "$2$1").length;
}

function queens(n, row, columns, left, right) {
    if (row === n) return 1;
    var found = 0;
    for (var c = 0; c < n; c++) {
        var bit = 1 << c;
        if (columns & bit || left & 1 << (row + c) || right & 1 << (row - c + n)) continue;
        found += queens(n, row + 1, columns | bit, left | 1 << (row + c), right | 1 << (row - c + n));
    }
    return found;
}

function matrix(n) {
    var a = [], b = [], sum = 0;
    for (var i = 0; i < n * n; i++) { a.push(i % 7 + 0.5); b.push(i % 11 - 0.25); }
    for (var r = 0; r < n; r++)
        for (var c = 0; c < n; c++) {
            var dot = 0;
            for (var k = 0; k < n; k++) dot += a[r * n + k] * b[k * n + c];
            sum += dot / (1 + r + c);
        }
    return sum;
}

say(shapes(Math.floor(400 * scale)), count(tree(Math.floor(13 + Math.log(scale) / Math.LN2))),
    words(Math.floor(60000 * scale)), queens(9, 0, 0, 0, 0), matrix(Math.floor(120 * Math.cbrt(scale))));
