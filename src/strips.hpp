// The strips of classify.cpp, which includes this file once for each kind of processor:
// the compiler brings vectors to a processor's registers before it inlines.

// Vectors are written out, GCC's and Clang's own, and work on whole blocks: the remainders of
// rows of some pixels would take most of the time.
constexpr int kBlock = FCN_BLOCK;

typedef float Floats __attribute__((vector_size(kBlock * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(kBlock * sizeof(int32_t))));
typedef uint8_t Bytes __attribute__((vector_size(kBlock)));

FCN_INLINE Floats load(const float * from)
{
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

template<typename Vector, typename Number>
FCN_INLINE void store(Number * to, const Vector & values)
{
  std::memcpy(to, &values, sizeof values);
}

FCN_INLINE Floats larger(const Floats & a, const Floats & b) {return a > b ? a : b;}

FCN_INLINE Floats smaller(const Floats & a, const Floats & b) {return a < b ? a : b;}

// Tell whether any number of a comparison's result is true.
FCN_INLINE bool any(const Ints & mask)
{
#if FCN_BLOCK == 16
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask)) != 0;
#elif defined(__AVX2__)
  return __builtin_ia32_movmskps256(reinterpret_cast<Floats>(mask)) != 0;
#else
  uint64_t parts[sizeof(Ints) / sizeof(uint64_t)], all = 0;
  std::memcpy(parts, &mask, sizeof mask);
  for (uint64_t part : parts) {
    all |= part;
  }
  return all != 0;
#endif
}

// Narrow numbers from 0 to 255 to bytes; compilers do it one by one.
FCN_INLINE Bytes to_bytes(const Ints & numbers)
{
#if FCN_BLOCK == 16
  return reinterpret_cast<Bytes>(_mm512_maskz_cvtepi32_epi8(0xFFFF, reinterpret_cast<__m512i>(numbers)));
#elif defined(__AVX2__)
  const __m256i all = reinterpret_cast<__m256i>(numbers);
  const __m128i words = _mm_packs_epi32(
    _mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  Bytes bytes;
  _mm_storel_epi64(reinterpret_cast<__m128i *>(&bytes), _mm_packus_epi16(words, words));
  return bytes;
#else
  return __builtin_convertvector(numbers, Bytes);
#endif
}

constexpr float kSteepest = 80.0f;  // beyond it exp() would leave the range of floats

// exp(x) for |x| <= kSteepest, relative error below 3e-6; the limit's for what is beyond.
FCN_INLINE Floats exponential(const Floats & x)
{
  const Floats limit = Floats{} + kSteepest;
  const Floats y = smaller(larger(x, -limit), limit) * 1.44269504f;
  const Floats shifted = y + 12582912.0f;  // 1.5 * 2^23: the sum is rounded to a whole number
  const Ints whole = reinterpret_cast<Ints>(shifted) - 0x4b400000;
  const Floats f = y - (shifted - 12582912.0f);
  // 2^f on [-0.5, 0.5]: Taylor series of exp(f ln 2)
  Floats p = f * 1.3333558e-3f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(p) + (whole << 23));
}

constexpr int kFewRows = 6;

// A vector for each row: in registers, where their number is known to the compiler, or in memory.
template<int kRows>
struct Registers
{
  Floats values[kRows];
  FCN_INLINE Floats get(int row) const {return values[row];}
  FCN_INLINE void set(int row, const Floats & value) {values[row] = value;}
};

struct Memory
{
  float * values;
  FCN_INLINE Floats get(int row) const {return load(values + row * kBlock);}
  FCN_INLINE void set(int row, const Floats & value) {store(values + row * kBlock, value);}
};

// The rows of pixels between two rows of cells, and the scores of all classes in them.
class Strips
{
public:
  explicit Strips(const Job & job)
  : job_(job), stride_((job.width + kBlock - 1) / kBlock * kBlock + kBlock),
    negligible_(std::log(kNeglected / static_cast<float>(std::max(1, job.num_classes - 1)))),
    wants_probability_(job.confidence != nullptr || job.min_confidence > 0.0f),
    most_(job.min_confidence > 0.0f ? 1.0f / job.min_confidence :
      std::numeric_limits<float>::infinity()),
    shares_(stride_)
  {
    for (const Run & run : job.columns) {
      for (int k = 0; k < run.size(); ++k) {
        shares_[run.begin + k] = run.t + static_cast<float>(k) * run.dt;
      }
    }
    for (auto & row : rows_) {
      row.resize(static_cast<size_t>(job.num_classes) * stride_);
    }
    active_.reserve(job.num_classes);
  }

  void classify(const Run & rows)
  {
    if (rows.i0 == cells_[1]) {  // the upper row of cells was the lower one before
      std::swap(rows_[0], rows_[1]);
      std::swap(cells_[0], cells_[1]);
    }
    const int cells[]{rows.i0, rows.i1};
    for (int i = 0; i < 2; ++i) {
      if (cells_[i] != cells[i]) {
        stretch(cells[i], rows_[i].data());
        cells_[i] = cells[i];
      }
    }
    for (int x = 0; x < job_.width; x += kBlock) {
      classify_block(rows, x);
    }
  }

private:
  // Interpolate a row of cells to the width of the picture, class by class.
  FCN_INLINE void stretch(int row, float * to) const
  {
    for (int c = 0; c < job_.num_classes; ++c, to += stride_) {
      const float * from = job_.scores + c * job_.class_stride + row * job_.row_stride;
      for (const Run & run : job_.columns) {
        const float left = from[run.i0 * job_.column_stride];
        const float step = from[run.i1 * job_.column_stride] - left;
        // What is beyond the run's end belongs to the next one, which comes later.
        for (int x = run.begin; x < run.end; x += kBlock) {
          store(to + x, left + load(&shares_[x]) * step);
        }
      }
    }
  }

  // Return the scores of a class in a block of columns, at a share of the way down.
  FCN_INLINE Floats score(int c, int x, float share) const
  {
    const size_t at = static_cast<size_t>(c) * stride_ + x;
    const Floats upper = load(&rows_[0][at]);
    return upper + share * (load(&rows_[1][at]) - upper);
  }

  // Classify a block of columns of the strip, beginning with column x.
  FCN_INLINE void classify_block(const Run & rows, int x)
  {
    const float first = rows.t, last = rows.last();
    Floats best = score(0, x, first), best_last = score(0, x, last);
    Ints winner{}, winner_last{};
    for (int c = 1; c < job_.num_classes; ++c) {
      const Floats other = score(c, x, first), other_last = score(c, x, last);
      const Ints better = other > best, better_last = other_last > best_last;
      best = better ? other : best;
      best_last = better_last ? other_last : best_last;
      winner = better ? Ints{} + c : winner;
      winner_last = better_last ? Ints{} + c : winner_last;
    }
    // A class that wins at both ends of a column wins all along it.
    if (any(winner != winner_last)) {
      classify_rows(rows, x);
      return;
    }
    const Ints id = ids_of(winner);
    if (!wants_probability_) {
      const Bytes bytes = to_bytes(id);
      for (int y = rows.begin; y < rows.end; ++y) {
        write(job_.class_ids, y, x, bytes);
      }
      return;
    }
    const bool rated = rows.size() <= kFewRows ?
      rate_few_rows(rows, x, best, best_last, id) : rate_rows(rows, x, best, best_last, id);
    if (!rated) {
      classify_rows(rows, x);
    }
  }

  // Add up the exponentials of the classes' leads over the winners of the columns, and write.
  //
  // Along a column the difference of two scores is linear, so that its exponential takes one
  // multiplication from row to row.  Returns false where that would leave the range of floats.
  template<typename Totals>
  FCN_INLINE bool rate_columns(
    const Run & rows, int height, int x, const Floats & best, const Floats & best_last,
    const Ints & id, Totals totals) const
  {
    const float down = height > 1 ? 1.0f / static_cast<float>(height - 1) : 0.0f;
    for (int y = 0; y < height; ++y) {
      totals.set(y, Floats{});
    }
    for (int c = 0; c < job_.num_classes; ++c) {
      const Floats lead = score(c, x, rows.t) - best;
      const Floats lead_last = score(c, x, rows.last()) - best_last;
      if (!any(larger(lead, lead_last) > Floats{} + negligible_)) {
        continue;
      }
      if (any(smaller(lead, lead_last) < Floats{} - kSteepest)) {
        return false;
      }
      Floats share = exponential(lead);
      const Floats factor = exponential((lead_last - lead) * down);
      for (int y = 0; y < height; ++y) {
        totals.set(y, totals.get(y) + share);
        share *= factor;
      }
    }
    for (int y = 0; y < height; ++y) {
      finish(rows.begin + y, x, totals.get(y), id);
    }
    return true;
  }

  template<int kRows>
  FCN_INLINE bool rate_known_rows(
    const Run & rows, int x, const Floats & best, const Floats & best_last, const Ints & id) const
  {
    return rate_columns(rows, kRows, x, best, best_last, id, Registers<kRows>{});
  }

  FCN_INLINE bool rate_few_rows(
    const Run & rows, int x, const Floats & best, const Floats & best_last, const Ints & id) const
  {
    switch (rows.size()) {
      case 1: return rate_known_rows<1>(rows, x, best, best_last, id);
      case 2: return rate_known_rows<2>(rows, x, best, best_last, id);
      case 3: return rate_known_rows<3>(rows, x, best, best_last, id);
      case 4: return rate_known_rows<4>(rows, x, best, best_last, id);
      case 5: return rate_known_rows<5>(rows, x, best, best_last, id);
      default: return rate_known_rows<kFewRows>(rows, x, best, best_last, id);
    }
  }

  FCN_INLINE bool rate_rows(
    const Run & rows, int x, const Floats & best, const Floats & best_last, const Ints & id)
  {
    totals_.resize(static_cast<size_t>(rows.size()) * kBlock);
    return rate_columns(rows, rows.size(), x, best, best_last, id, Memory{totals_.data()});
  }

  // Classify a block of columns row by row.
  FCN_INLINE void classify_rows(const Run & rows, int x)
  {
    find_active(rows, x);
    for (int y = 0; y < rows.size(); ++y) {
      const float share = rows.t + static_cast<float>(y) * rows.dt;
      Floats best = score(active_[0], x, share);
      Ints winner = Ints{} + active_[0];
      for (size_t k = 1; k < active_.size(); ++k) {
        const Floats other = score(active_[k], x, share);
        const Ints better = other > best;
        best = better ? other : best;
        winner = better ? Ints{} + active_[k] : winner;
      }
      const Ints id = ids_of(winner);
      if (!wants_probability_) {
        write(job_.class_ids, rows.begin + y, x, to_bytes(id));
        continue;
      }
      Floats total{};
      for (int c : active_) {
        total += exponential(score(c, x, share) - best);
      }
      finish(rows.begin + y, x, total, id);
    }
  }

  // List the classes that matter somewhere in a block of columns.
  FCN_INLINE void find_active(const Run & rows, int x)
  {
    // Nowhere in a column is the best score lower than the lower end of any class.
    Floats floor = Floats{} - std::numeric_limits<float>::infinity();
    for (int c = 0; c < job_.num_classes; ++c) {
      floor = larger(floor, smaller(score(c, x, rows.t), score(c, x, rows.last())));
    }
    floor += negligible_;
    active_.clear();
    for (int c = 0; c < job_.num_classes; ++c) {
      if (any(larger(score(c, x, rows.t), score(c, x, rows.last())) >= floor)) {
        active_.push_back(c);
      }
    }
  }

  FCN_INLINE Ints ids_of(const Ints & classes) const
  {
    if (job_.in_order) {
      return classes;
    }
    Ints ids{};
    for (int i = 0; i < kBlock; ++i) {
      ids[i] = job_.ids[classes[i]];
    }
    return ids;
  }

  // Write a block for sums of exponentials, the winner's being 1.
  FCN_INLINE void finish(int row, int column, const Floats & total, const Ints & id) const
  {
    const Ints known = total > most_ ? Ints{} + static_cast<int>(kUnknown) : id;
    write(job_.class_ids, row, column, to_bytes(known));
    if (job_.confidence) {
      write(job_.confidence, row, column,
        to_bytes(__builtin_convertvector(255.0f / total + 0.5f, Ints)));
    }
  }

  // Write a block of a row, or what of it lies inside the picture.
  FCN_INLINE void write(uint8_t * image, int row, int column, const Bytes & values) const
  {
    uint8_t * to = image + static_cast<size_t>(row) * job_.width + column;
    if (column + kBlock <= job_.width) {
      store(to, values);
    } else {
      std::memcpy(to, &values, job_.width - column);
    }
  }

  const Job & job_;
  const int stride_;  // numbers of a stretched row: the picture's, filled up to whole blocks
  const float negligible_;
  const bool wants_probability_;
  const float most_;  // sum of exponentials above which a pixel is unknown
  std::vector<float> shares_;  // of the way between its cells, for each column
  // The rows of cells above and below the strip, stretched, class by class; and which they are.
  std::vector<float> rows_[2];
  int cells_[2]{-1, -1};
  std::vector<float> totals_;  // of a block of columns, row after row
  std::vector<int> active_;
};

void classify_strips(const Job & job, int top, int bottom)
{
  Strips strips(job);
  for (int r = top; r < bottom; ++r) {
    strips.classify(job.rows[r]);
  }
}
