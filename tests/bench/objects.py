"""What Python programs do most: dictionaries, strings, sorting, JSON, regular expressions, classes, big integers.
Prints a digest. Takes how much to do as a factor."""
import hashlib
import heapq
import json
import re
import sys

scale = float(sys.argv[1])
seed = 42


def number():
    global seed
    seed = (seed * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
    return seed >> 33


class Node:
    __slots__ = ("key", "left", "right")

    def __init__(self, key):
        self.key, self.left, self.right = key, None, None

    def insert(self, key):
        node = self
        while True:
            side = "left" if key < node.key else "right"
            if getattr(node, side) is None:
                return setattr(node, side, Node(key))
            node = getattr(node, side)

    def depth(self):
        return 1 + max(child.depth() if child else 0 for child in (self.left, self.right))


n = int(20000 * scale)
words = ["".join(chr(97 + number() % 26) for _ in range(2 + number() % 3)) for _ in range(n)]
counts = {}
for word in words:
    counts[word] = counts.get(word, 0) + 1
top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:100]
text = json.dumps({"words": words, "top": top})
again = json.loads(text)
found = re.findall(r"\b([a-m]+)([n-z]+)\b", " ".join(again["words"]))
tree = Node(number())
for _ in range(n // 2):
    tree.insert(number())
heap = []
for word in words:
    heapq.heappush(heap, word)
order = [heapq.heappop(heap) for _ in range(len(heap))]
big = pow(3, 20011, 10 ** 400 + 69) * 7 ** 900
result = repr((top, len(found), tree.depth(), order[:: n // 50], big))
print(hashlib.sha256(result.encode()).hexdigest())
