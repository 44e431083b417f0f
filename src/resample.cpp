// Camera pictures to the network's input, on the CPU: stretched with antialiasing, normalised.
//
// The numbers are those of PyTorch's (and Pillow's) antialiased bilinear filter for bytes, bit
// for bit: weights in fixed point, first along the rows, then along the columns, each rounded
// to a byte.  A network that was trained on pictures so made sees nothing else here.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define FCN_HAS_AVX2
#include <immintrin.h>
#endif

namespace
{

// The filter along an axis: output i is the sum of weights[i * taps + k] * input[first[i] + k],
// shifted right by `precision`.
struct Filter
{
  int taps;  // an even number: what an output does not need has weight 0
  int precision;
  std::vector<int> first, count;  // count: of the weights that are needed
  std::vector<int16_t> weights;
};

Filter make_filter(int from, int to)
{
  const double scale = static_cast<double>(from) / to;
  const double support = scale >= 1.0 ? scale : 1.0, inverse = 1.0 / support;
  const int taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  Filter filter{taps + taps % 2, 0, std::vector<int>(to), std::vector<int>(to), {}};
  std::vector<double> exact(static_cast<size_t>(to) * taps);
  double largest = 0.0;
  for (int i = 0; i < to; ++i) {
    const double centre = scale * (i + 0.5);
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int count = std::min(
      std::min(static_cast<int>(centre + support + 0.5), from) - first, taps);
    double * weights = &exact[static_cast<size_t>(i) * taps];
    double total = 0.0;
    for (int k = 0; k < count; ++k) {
      weights[k] = std::max(1.0 - std::fabs((k + first - centre + 0.5) * inverse), 0.0);
      total += weights[k];
    }
    for (int k = 0; k < count; ++k) {
      weights[k] /= total;
      largest = std::max(largest, weights[k]);
    }
    filter.first[i] = first;
    filter.count[i] = count;
  }
  // As many bits as the largest weight leaves in 16.
  while (filter.precision < 22 &&
    static_cast<int>(0.5 + largest * (1 << (filter.precision + 1))) < 1 << 15)
  {
    ++filter.precision;
  }
  filter.weights.assign(static_cast<size_t>(to) * filter.taps, 0);
  for (int i = 0; i < to; ++i) {
    for (int k = 0; k < filter.count[i]; ++k) {
      filter.weights[static_cast<size_t>(i) * filter.taps + k] = static_cast<int16_t>(
        exact[static_cast<size_t>(i) * taps + k] * (1 << filter.precision) + 0.5);
    }
  }
  return filter;
}

struct Job
{
  const uint8_t * pixels;
  int64_t row_stride;
  int pixel_stride;  // bytes: 3 or 4
  int width;  // of the picture
  const Filter * across, * down;  // null where the picture has the size already
  const float * tables;  // 3 x 256: what each byte of each channel becomes
  float * out;  // the first channel's plane, out_height x out_width
  int64_t plane_stride;  // numbers from there to the next channel's plane; may be negative
  int out_height, out_width;
  bool avx2;
};

uint8_t to_byte(int sum, int precision)
{
  return static_cast<uint8_t>(std::clamp(sum >> precision, 0, 255));
}

// Filter a row of pixels from output `begin` on; write 3 bytes a pixel.
void filter_row(const Job & job, const uint8_t * row, int begin, uint8_t * to)
{
  const Filter & filter = *job.across;
  for (int i = begin; i < job.out_width; ++i) {
    const int16_t * weights = &filter.weights[static_cast<size_t>(i) * filter.taps];
    const uint8_t * from = row + static_cast<int64_t>(filter.first[i]) * job.pixel_stride;
    int sums[3];
    std::fill_n(sums, 3, 1 << (filter.precision - 1));
    for (int k = 0; k < filter.count[i]; ++k, from += job.pixel_stride) {
      for (int c = 0; c < 3; ++c) {
        sums[c] += weights[k] * from[c];
      }
    }
    for (int c = 0; c < 3; ++c) {
      to[3 * i + c] = to_byte(sums[c], filter.precision);
    }
  }
}

// Filter the columns [begin, end) of rows of bytes, which are `stride` apart.
void filter_columns(
  const uint8_t * from, int stride, const int16_t * weights, int count, int precision,
  int begin, int end, uint8_t * to)
{
  for (int x = begin; x < end; ++x) {
    int sum = 1 << (precision - 1);
    for (int k = 0; k < count; ++k) {
      sum += weights[k] * from[static_cast<int64_t>(k) * stride + x];
    }
    to[x] = to_byte(sum, precision);
  }
}

#ifdef FCN_HAS_AVX2
int two_weights(const int16_t * weights)
{
  int pair;
  std::memcpy(&pair, weights, sizeof pair);
  return pair;
}

// Two rows at a time, one in each half of a register; two taps at a time, since there is an
// instruction for sums of two products.  Returns the first output that is left: loads of 8
// bytes must not leave the row.
__attribute__((target("avx2")))
int filter_two_rows_avx2(
  const Job & job, const uint8_t * upper, const uint8_t * lower, uint8_t * to_upper,
  uint8_t * to_lower)
{
  const Filter & filter = *job.across;
  const int step = job.pixel_stride, taps = filter.taps;
  const __m128i spread = step == 3 ?
    _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1) :
    _mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, -1, -1, -1, -1);
  const __m256i spread_both = _mm256_broadcastsi128_si256(spread);
  const __m256i half = _mm256_set1_epi32(1 << (filter.precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(filter.precision);
  const int row_bytes = job.width * step;
  int i = 0;
  // Four bytes are written for each pixel, of which the next one's take the fourth's place.
  for (; i < job.out_width - 1; ++i) {
    const int first = filter.first[i] * step;
    if (first + (taps - 2) * step + 8 > row_bytes) {
      break;
    }
    const int16_t * weights = &filter.weights[static_cast<size_t>(i) * taps];
    __m256i sums = half;
    for (int k = 0; k < taps; k += 2) {
      const __m128i a = _mm_loadl_epi64(
        reinterpret_cast<const __m128i *>(upper + first + k * step));
      const __m128i b = _mm_loadl_epi64(
        reinterpret_cast<const __m128i *>(lower + first + k * step));
      const __m256i both = _mm256_shuffle_epi8(
        _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1), spread_both);
      sums = _mm256_add_epi32(
        sums, _mm256_madd_epi16(both, _mm256_set1_epi32(two_weights(weights + k))));
    }
    sums = _mm256_sra_epi32(sums, shift);
    const __m256i bytes = _mm256_packus_epi16(
      _mm256_packs_epi32(sums, sums), _mm256_setzero_si256());
    const int first_four = _mm256_extract_epi32(bytes, 0);
    const int other_four = _mm256_extract_epi32(bytes, 4);
    std::memcpy(to_upper + 3 * i, &first_four, 4);
    std::memcpy(to_lower + 3 * i, &other_four, 4);
  }
  return i;
}

__attribute__((target("avx2")))
int filter_columns_avx2(
  const uint8_t * from, int stride, const int16_t * weights, int count, int precision,
  int width, uint8_t * to)
{
  const __m256i half = _mm256_set1_epi32(1 << (precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(precision);
  int x = 0;
  for (; x + 16 <= width; x += 16) {
    __m256i low = half, high = half;
    for (int k = 0; k < count; k += 2) {
      const uint8_t * row = from + static_cast<int64_t>(k) * stride + x;
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i *>(row));
      // The second of a pair may lie behind the last row, with weight 0.
      const __m128i b = k + 1 < count ?
        _mm_loadu_si128(reinterpret_cast<const __m128i *>(row + stride)) : a;
      const __m256i pair = _mm256_set1_epi32(two_weights(weights + k));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(
          _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), pair));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(
          _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)), pair));
    }
    low = _mm256_sra_epi32(low, shift);
    high = _mm256_sra_epi32(high, shift);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    _mm_storeu_si128(
      reinterpret_cast<__m128i *>(to + x), _mm_packus_epi16(
        _mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  }
  return x;
}
#endif

// Filter two rows, which may be the same one.
void filter_two_rows(
  const Job & job, const uint8_t * upper, const uint8_t * lower, uint8_t * to_upper,
  uint8_t * to_lower)
{
  int done = 0;
#ifdef FCN_HAS_AVX2
  if (job.avx2) {
    done = filter_two_rows_avx2(job, upper, lower, to_upper, to_lower);
  }
#endif
  filter_row(job, upper, done, to_upper);
  if (lower != upper) {
    filter_row(job, lower, done, to_lower);
  }
}

// Look the bytes of a row up and put the channels apart.
void write_row(const Job & job, const uint8_t * row, int pixel_stride, int y)
{
  float * red = job.out + static_cast<size_t>(y) * job.out_width;
  float * green = red + job.plane_stride, * blue = green + job.plane_stride;
  const float * tables = job.tables;
  for (int x = 0; x < job.out_width; ++x, row += pixel_stride) {
    red[x] = tables[row[0]];
    green[x] = tables[256 + row[1]];
    blue[x] = tables[512 + row[2]];
  }
}

// Make the rows [top, bottom) of the output.
void make_rows(const Job & job, int top, int bottom)
{
  const auto source = [&](int y) {return job.pixels + y * job.row_stride;};
  if (!job.across && !job.down) {
    for (int y = top; y < bottom; ++y) {
      write_row(job, source(y), job.pixel_stride, y);
    }
    return;
  }
  // The input's rows that these rows are made from, filtered along the rows.
  const int first = job.down ? job.down->first[top] : top;
  const int end = job.down ? job.down->first[bottom - 1] + job.down->count[bottom - 1] : bottom;
  const int bytes = 3 * job.out_width;
  std::vector<uint8_t> rows(static_cast<size_t>(end - first) * bytes);
  for (int y = first; y < end; y += 2) {
    const int other = std::min(y + 1, end - 1);
    uint8_t * to = &rows[static_cast<size_t>(y - first) * bytes];
    uint8_t * to_other = &rows[static_cast<size_t>(other - first) * bytes];
    if (job.across) {
      filter_two_rows(job, source(y), source(other), to, to_other);
      continue;
    }
    for (int x = 0; x < job.out_width; ++x) {
      std::memcpy(to + 3 * x, source(y) + x * job.pixel_stride, 3);
      std::memcpy(to_other + 3 * x, source(other) + x * job.pixel_stride, 3);
    }
  }
  std::vector<uint8_t> line(bytes);
  for (int y = top; y < bottom; ++y) {
    if (!job.down) {
      write_row(job, &rows[static_cast<size_t>(y - first) * bytes], 3, y);
      continue;
    }
    const Filter & filter = *job.down;
    const uint8_t * from = &rows[static_cast<size_t>(filter.first[y] - first) * bytes];
    const int16_t * weights = &filter.weights[static_cast<size_t>(y) * filter.taps];
    int done = 0;
#ifdef FCN_HAS_AVX2
    if (job.avx2) {
      done = filter_columns_avx2(
        from, bytes, weights, filter.count[y], filter.precision, bytes, line.data());
    }
#endif
    filter_columns(
      from, bytes, weights, filter.count[y], filter.precision, done, bytes, line.data());
    write_row(job, line.data(), 3, y);
  }
}

bool has_avx2()
{
#ifdef FCN_HAS_AVX2
  return __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

}  // namespace

extern "C" {

// pixels: height x width, `pixel_stride` (3 or 4) and `row_stride` bytes apart, of which the
// first three count.  tables: 3 x 256 numbers, by channel and byte.  out: the plane of the first
// channel, out_height x out_width numbers; the next one's is `plane_stride` numbers away, which
// is negative where blue comes first.  Returns 0, or 1 when memory is short or an exception came.
int fcn_seg_preprocess(
  const uint8_t * pixels, int64_t row_stride, int pixel_stride, int height, int width,
  const float * tables, float * out, int64_t plane_stride, int out_height, int out_width,
  int threads)
{
  try {
    Filter across, down;
    Job job{pixels, row_stride, pixel_stride, width, nullptr, nullptr, tables, out, plane_stride,
      out_height, out_width, has_avx2()};
    if (width != out_width) {
      across = make_filter(width, out_width);
      job.across = &across;
    }
    if (height != out_height) {
      down = make_filter(height, out_height);
      job.down = &down;
    }
    threads = std::clamp(threads, 1, out_height);
    std::vector<std::thread> others;
    const auto from = [&](int part) {return static_cast<int>(
          static_cast<int64_t>(out_height) * part / threads);};
    for (int part = 1; part < threads; ++part) {
      others.emplace_back(make_rows, std::cref(job), from(part), from(part + 1));
    }
    make_rows(job, 0, from(1));
    for (auto & other : others) {
      other.join();
    }
    return 0;
  } catch (...) {
    return 1;
  }
}

}  // extern "C"
