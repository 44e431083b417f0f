// Class scores on a coarse grid to class ids and confidence at full size, on the CPU.
//
// Between two rows of cells of the grid every class's interpolated score is linear along each
// column of pixels, and so is the difference of any two.  A class that wins at both ends of such
// a column therefore wins all along it, so most columns are filled without looking at their
// pixels; a class that is negligible at the ends is left out of the column's softmax, which most
// classes are; and the exponential of a difference takes one multiplication from row to row.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FCN_HAS_AVX2
#include <immintrin.h>
#endif

#define FCN_INLINE __attribute__((always_inline)) inline

namespace
{

// The classes left out of a softmax add up to less than this: a quarter of a confidence
// step of 1/255.
constexpr float kNeglected = 0.25f / 255.0f;
constexpr uint8_t kUnknown = 255;

// Output pixels [begin, end) of an axis between cells i0 and i1; pixel begin + k lies at
// share t + k * dt of the way.
struct Run
{
  int begin, end, i0, i1;
  float t, dt;

  int size() const {return end - begin;}
  float last() const {return t + static_cast<float>(size() - 1) * dt;}
};

struct Job
{
  const float * scores;
  int64_t class_stride, row_stride, column_stride;  // of the scores, in numbers
  const uint8_t * ids;  // C
  const std::vector<Run> & rows, & columns;
  int num_classes, width;
  bool in_order;  // whether ids are 0, 1, 2, ...
  float min_confidence;
  uint8_t * class_ids;  // height x width
  uint8_t * confidence;  // likewise, or null
};

std::vector<Run> make_runs(int cells, int pixels)
{
  std::vector<Run> runs;
  const float scale = static_cast<float>(cells) / static_cast<float>(pixels);
  for (int i = 0; i < pixels; ++i) {
    // Position of a pixel's centre on the grid, as torch's align_corners=False.
    const float position = std::max((static_cast<float>(i) + 0.5f) * scale - 0.5f, 0.0f);
    const int cell = std::min(static_cast<int>(position), cells - 1);
    const float t = position - static_cast<float>(cell);
    const bool clamped = position == 0.0f;  // the border repeats its cell
    if (!runs.empty() && runs.back().i0 == cell && (runs.back().dt == 0.0f) == clamped) {
      runs.back().end = i + 1;
    } else {
      runs.push_back({i, i + 1, cell, std::min(cell + 1, cells - 1), t, clamped ? 0.0f : scale});
    }
  }
  return runs;
}

#ifdef FCN_HAS_AVX2
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
namespace avx512
{
#define FCN_BLOCK 16
#include "strips.hpp"
#undef FCN_BLOCK
}  // namespace avx512
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2
{
#define FCN_BLOCK 8
#include "strips.hpp"
#undef FCN_BLOCK
}  // namespace avx2
#pragma GCC pop_options
#endif

namespace generic
{
#define FCN_BLOCK 4
#include "strips.hpp"
#undef FCN_BLOCK
}  // namespace generic

using Classify = void (*)(const Job &, int, int);

Classify fastest()
{
#ifdef FCN_HAS_AVX2
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
  {
    return avx512::classify_strips;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return avx2::classify_strips;
  }
#endif
  return generic::classify_strips;
}

}  // namespace

extern "C" {

// Raised with every change of a signature; the Python side checks it.
int fcn_seg_kernels_version() {return 4;}

// scores: num_classes x h x w numbers, which are `strides` apart.  Returns 0, or 1 when memory
// is short or an exception came.
int fcn_seg_classify(
  const float * scores, const int64_t * strides, const uint8_t * ids, int num_classes, int h,
  int w, int height, int width, float min_confidence, uint8_t * class_ids,
  uint8_t * confidence, int threads)
{
  try {
    const std::vector<Run> rows = make_runs(h, height), columns = make_runs(w, width);
    bool in_order = true;
    for (int c = 0; c < num_classes; ++c) {
      in_order = in_order && ids[c] == c;
    }
    const Job job{scores, strides[0], strides[1], strides[2], ids, rows, columns, num_classes,
      width, in_order, min_confidence, class_ids, confidence};
    const Classify classify_part = fastest();
    const int num_rows = static_cast<int>(rows.size());
    threads = std::clamp(threads, 1, num_rows);
    std::vector<std::thread> others;
    const auto from = [&](int part) {return static_cast<int>(
          static_cast<int64_t>(num_rows) * part / threads);};
    for (int part = 1; part < threads; ++part) {
      others.emplace_back(classify_part, std::cref(job), from(part), from(part + 1));
    }
    classify_part(job, 0, from(1));
    for (auto & other : others) {
      other.join();
    }
    return 0;
  } catch (...) {
    return 1;
  }
}

}  // extern "C"
