// Class ids to what people look at and what robots decide by: colours, and pixels of each class.
//
// Neighbours mostly have the same class: eight pixels at a time are looked at, and what eight
// equal ones take is one step.  Eight different ones take no more than a step each.

#include <cstdint>
#include <cstring>

namespace
{

constexpr int kAtOnce = 8;
constexpr int kChannels = 3;

// Whether the next eight ids are the same.
inline bool all_equal(const uint8_t * ids)
{
  uint64_t eight;
  std::memcpy(&eight, ids, kAtOnce);
  return eight == ids[0] * UINT64_C(0x0101010101010101);
}

}  // namespace

extern "C" {

// ids: height x width, rows `row_stride` bytes apart.  counts: 256 numbers, which are filled.
void fcn_seg_count(
  const uint8_t * ids, int64_t row_stride, int height, int width, int64_t * counts)
{
  // Several, since adding to the same number again and again would wait for the last sum.
  constexpr int kTables = 4;
  int64_t tables[kTables][256] = {};
  for (int y = 0; y < height; ++y) {
    const uint8_t * row = ids + y * row_stride;
    int x = 0;
    for (; x + kAtOnce <= width; x += kAtOnce) {
      if (all_equal(row + x)) {
        tables[0][row[x]] += kAtOnce;
      } else {
        for (int k = 0; k < kAtOnce; ++k) {
          ++tables[k % kTables][row[x + k]];
        }
      }
    }
    for (; x < width; ++x) {
      ++tables[0][row[x]];
    }
  }
  for (int id = 0; id < 256; ++id) {
    counts[id] = 0;
    for (const auto & table : tables) {
      counts[id] += table[id];
    }
  }
}

// palette: 256 x 3.  out: pixels x 3.
void fcn_seg_paint(const uint8_t * ids, int64_t pixels, const uint8_t * palette, uint8_t * out)
{
  // Each colour with a byte behind it, which the next pixel overwrites: one store a pixel.
  uint8_t colors[256][4] = {};
  for (int id = 0; id < 256; ++id) {
    std::memcpy(colors[id], palette + kChannels * id, kChannels);
  }
  uint8_t eight[kAtOnce * kChannels];
  int painted = -1;  // the id that `eight` is in the colour of
  int64_t i = 0;
  for (; i + kAtOnce < pixels; i += kAtOnce) {  // the byte behind the last colour is one of out
    uint8_t * to = out + kChannels * i;
    if (all_equal(ids + i)) {
      if (painted != ids[i]) {
        painted = ids[i];
        for (int k = 0; k < kAtOnce; ++k) {
          std::memcpy(eight + kChannels * k, colors[painted], kChannels);
        }
      }
      std::memcpy(to, eight, sizeof(eight));
    } else {
      for (int k = 0; k < kAtOnce; ++k) {
        std::memcpy(to + kChannels * k, colors[ids[i + k]], 4);
      }
    }
  }
  for (; i < pixels; ++i) {
    std::memcpy(out + kChannels * i, colors[ids[i]], kChannels);
  }
}

}  // extern "C"
