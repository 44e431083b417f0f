// Class scores on a coarse grid to class ids and confidence at full size, on the CPU.
//
// Along an output row, between two cells of the grid, every class's interpolated score is
// a straight line.  A class that wins at both ends of such a run therefore wins all along
// it (its difference to any other class is linear), so most runs are filled without
// looking at their pixels.  The softmax of a run leaves out the classes that stay
// negligible all along it, which are most of them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__)
#define FCN_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define FCN_CLONES
#endif
#define FCN_INLINE __attribute__((always_inline)) inline

namespace
{

// exp(-14) = 8e-7: 254 classes below it change the probability by less than half a
// confidence step of 1/255.
constexpr float kNegligible = -14.0f;
constexpr uint8_t kUnknown = 255;

// Pixels [begin, end) of an output row between cells x0 and x1; pixel begin + i lies at
// share t + i * dt of the way.
struct Run
{
  int begin, end, x0, x1;
  float t, dt;
};

struct Job
{
  const float * scores;  // h x w x C
  const uint8_t * ids;  // C
  const Run * runs;
  int num_runs;
  int num_classes, h, w, height, width;
  float min_confidence;
  uint8_t * class_ids;  // height x width
  uint8_t * confidence;  // likewise, or null
};

// Position of an output pixel's centre on the grid, as torch's align_corners=False.
inline float source(int index, float scale)
{
  return std::max((static_cast<float>(index) + 0.5f) * scale - 0.5f, 0.0f);
}

std::vector<Run> make_runs(int w, int width)
{
  std::vector<Run> runs;
  const float scale = static_cast<float>(w) / static_cast<float>(width);
  for (int x = 0; x < width; ++x) {
    const float position = source(x, scale);
    const int x0 = std::min(static_cast<int>(position), w - 1);
    const float t = position - static_cast<float>(x0);
    const bool clamped = position == 0.0f;  // the left border repeats its cell
    if (!runs.empty() && runs.back().x0 == x0 && (runs.back().dt == 0.0f) == clamped) {
      runs.back().end = x + 1;
    } else {
      runs.push_back({x, x + 1, x0, std::min(x0 + 1, w - 1), t, clamped ? 0.0f : scale});
    }
  }
  return runs;
}

inline uint8_t to_byte(float probability)
{
  return static_cast<uint8_t>(probability * 255.0f + 0.5f);
}

// exp(x) for x <= 0, relative error below 1e-5; without branches, for the vectoriser.
FCN_INLINE float exp_negative(float x)
{
  const float y = (x > -80.0f ? x : -80.0f) * 1.44269504f;
  const int whole = static_cast<int>(y - 0.5f);  // rounds, since y <= 0
  const float f = y - static_cast<float>(whole);
  // 2^f on [-0.5, 0.5]: Taylor series of exp(f ln 2)
  float p = 1.3333558e-3f;
  p = p * f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
  int32_t bits;
  std::memcpy(&bits, &p, sizeof bits);
  bits += whole << 23;
  std::memcpy(&p, &bits, sizeof p);
  return p;
}

// The vectoriser wants each loop by itself, with plain bounds and no aliases.

FCN_INLINE void add_exponentials(
  float * __restrict total, const float * __restrict best, int n, float from, float step)
{
  for (int i = 0; i < n; ++i) {
    total[i] += exp_negative(from + static_cast<float>(i) * step - best[i]);
  }
}

FCN_INLINE void take_better(
  float * __restrict best, int32_t * __restrict index, int n, int32_t c, float from, float step)
{
  for (int i = 0; i < n; ++i) {
    const float score = from + static_cast<float>(i) * step;
    const bool better = score > best[i];
    index[i] = better ? c : index[i];
    best[i] = better ? score : best[i];
  }
}

FCN_INLINE void fill_line(float * values, int n, float from, float step)
{
  for (int i = 0; i < n; ++i) {
    values[i] = from + static_cast<float>(i) * step;
  }
}

FCN_CLONES
void classify_rows(const Job & job, int top, int bottom)
{
  const int classes = job.num_classes;
  const int row_values = job.w * classes;
  const bool wants_probability = job.confidence != nullptr || job.min_confidence > 0.0f;
  const float scale = static_cast<float>(job.h) / static_cast<float>(job.height);
  std::vector<float> row(row_values), first(classes), last(classes), sum(job.width);
  std::vector<float> top_score(job.width);
  std::vector<int32_t> index(job.width);

  for (int y = top; y < bottom; ++y) {
    const float position = source(y, scale);
    const int y0 = std::min(static_cast<int>(position), job.h - 1);
    const int y1 = std::min(y0 + 1, job.h - 1);
    const float share = position - static_cast<float>(y0);
    const float * above = job.scores + static_cast<size_t>(y0) * row_values;
    const float * below = job.scores + static_cast<size_t>(y1) * row_values;
    for (int i = 0; i < row_values; ++i) {
      row[i] = above[i] + share * (below[i] - above[i]);
    }
    uint8_t * ids_out = job.class_ids + static_cast<size_t>(y) * job.width;

    for (int r = 0; r < job.num_runs; ++r) {
      const Run & run = job.runs[r];
      const int n = run.end - run.begin;
      const float * a = row.data() + run.x0 * classes;
      const float * b = row.data() + run.x1 * classes;
      const float t_last = run.t + static_cast<float>(n - 1) * run.dt;
      int winner = 0, winner_last = 0;
      for (int c = 0; c < classes; ++c) {
        first[c] = a[c] + run.t * (b[c] - a[c]);
        last[c] = a[c] + t_last * (b[c] - a[c]);
        if (first[c] > first[winner]) {winner = c;}
        if (last[c] > last[winner_last]) {winner_last = c;}
      }
      float * best = top_score.data();
      if (winner == winner_last) {
        std::memset(ids_out + run.begin, job.ids[winner], n);
        if (!wants_probability) {continue;}
        fill_line(best, n, first[winner], (b[winner] - a[winner]) * run.dt);
      } else {  // a border passes through: look at each pixel
        std::fill(best, best + n, -std::numeric_limits<float>::infinity());
        for (int c = 0; c < classes; ++c) {
          take_better(best, index.data(), n, c, first[c], (b[c] - a[c]) * run.dt);
        }
        for (int i = 0; i < n; ++i) {
          ids_out[run.begin + i] = job.ids[index[i]];
        }
        if (!wants_probability) {continue;}
      }
      // The best score is nowhere on the run below the lower end of any class's line.
      float floor = -std::numeric_limits<float>::infinity();
      for (int c = 0; c < classes; ++c) {
        floor = std::max(floor, std::min(first[c], last[c]));
      }
      float * total = sum.data() + run.begin;
      std::fill(total, total + n, 0.0f);
      for (int c = 0; c < classes; ++c) {
        if (std::max(first[c], last[c]) < floor + kNegligible) {continue;}
        add_exponentials(total, best, n, first[c], (b[c] - a[c]) * run.dt);
      }
    }

    if (!wants_probability) {continue;}
    for (int x = 0; x < job.width; ++x) {
      sum[x] = 1.0f / sum[x];
    }
    if (job.min_confidence > 0.0f) {
      for (int x = 0; x < job.width; ++x) {
        if (sum[x] < job.min_confidence) {ids_out[x] = kUnknown;}
      }
    }
    if (job.confidence != nullptr) {
      uint8_t * out = job.confidence + static_cast<size_t>(y) * job.width;
      for (int x = 0; x < job.width; ++x) {
        out[x] = to_byte(sum[x]);
      }
    }
  }
}

}  // namespace

extern "C" {

// Raised with every change of a signature; the Python side checks it.
int fcn_seg_kernels_version() {return 1;}

// scores: num_classes x h x w.  Returns 0, or 1 when memory is short or an exception came.
int fcn_seg_classify(
  const float * scores, const uint8_t * ids, int num_classes, int h, int w, int height,
  int width, float min_confidence, uint8_t * class_ids, uint8_t * confidence, int threads)
{
  try {
    // Class scores of a cell side by side: that is how they are used.
    std::vector<float> cells(static_cast<size_t>(num_classes) * h * w);
    for (int c = 0; c < num_classes; ++c) {
      const float * plane = scores + static_cast<size_t>(c) * h * w;
      for (int i = 0; i < h * w; ++i) {
        cells[static_cast<size_t>(i) * num_classes + c] = plane[i];
      }
    }
    const std::vector<Run> runs = make_runs(w, width);
    const Job job{cells.data(), ids, runs.data(), static_cast<int>(runs.size()), num_classes,
      h, w, height, width, min_confidence, class_ids, confidence};
    threads = std::clamp(threads, 1, height);
    std::vector<std::thread> others;
    const auto from = [&](int part) {return static_cast<int>(
          static_cast<int64_t>(height) * part / threads);};
    for (int part = 1; part < threads; ++part) {
      others.emplace_back(classify_rows, std::cref(job), from(part), from(part + 1));
    }
    classify_rows(job, 0, from(1));
    for (auto & other : others) {
      other.join();
    }
    return 0;
  } catch (...) {
    return 1;
  }
}

}  // extern "C"
