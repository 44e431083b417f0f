// The patches of classify.cpp, which includes this file once for each kind of processor:
// the compiler brings vectors to a processor's registers before it inlines.

// Vectors are written out, GCC's and Clang's own, and work on whole blocks: the remainders of
// rows of some pixels would take most of the time.
typedef float Floats __attribute__((vector_size(kBlock * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(kBlock * sizeof(int32_t))));
typedef uint8_t Bytes __attribute__((vector_size(kBlock)));
constexpr Floats kCount{0, 1, 2, 3, 4, 5, 6, 7};

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

FCN_INLINE float largest(const Floats & values)
{
  float result = values[0];
  for (int i = 1; i < kBlock; ++i) {
    result = values[i] > result ? values[i] : result;
  }
  return result;
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

// A patch of the output, and the scores of all classes at its corners.
class Patches
{
public:
  Patches(const Job & job, int top, int bottom)
  : job_(job), stride_(blocks_of(job.num_classes) * kBlock),
    negligible_(std::log(kNeglected / static_cast<float>(std::max(1, job.num_classes - 1)))),
    wants_probability_(job.confidence != nullptr || job.min_confidence > 0.0f),
    most_(job.min_confidence > 0.0f ? 1.0f / job.min_confidence :
      std::numeric_limits<float>::infinity()),
    first_row_(job.rows[top].i0)
  {
    for (auto & corner : corners_) {
      corner.resize(stride_);
    }
    highest_.resize(stride_);
    lowest_.resize(stride_);
    left_.resize(stride_);
    step_.resize(stride_);
    active_.reserve(job.num_classes);
    int tallest = 0;
    for (int r = top; r < bottom; ++r) {
      tallest = std::max(tallest, job.rows[r].size());
    }
    total_.resize(static_cast<size_t>(tallest) * kBlock);
    gather(job.rows[bottom - 1].i1 + 1);
  }

  FCN_INLINE void classify(const Run & rows, const Run & columns)
  {
    find_corners(rows, columns);
    const bool uniform = find_winner();
    if (uniform && !wants_probability_) {
      fill(job_.class_ids, rows, columns, job_.ids[winner_]);
      return;
    }
    find_active();
    if (active_.size() == 1) {
      // Its share is 1 but for less than can be seen.
      fill(job_.class_ids, rows, columns, job_.ids[active_[0]]);
      if (job_.confidence) {fill(job_.confidence, rows, columns, 255);}
      return;
    }
    const int height = rows.size(), width = columns.size();
    const float down = height > 1 ? 1.0f / static_cast<float>(height - 1) : 0.0f;
    const float across = width > 1 ? 1.0f / static_cast<float>(width - 1) : 0.0f;
    if (uniform && !is_steep()) {
      for (int x = 0; x < width; x += kBlock) {
        rate_block(rows, columns, x, down, across);
      }
      return;
    }
    for (int y = 0; y < height; ++y) {
      find_row(static_cast<float>(y) * down, across);
      for (int x = 0; x < width; x += kBlock) {
        classify_block(rows.begin + y, columns.begin + x, columns.end, x);
      }
    }
  }

private:
  // Put the classes of a cell side by side, for the rows of cells from first_row_ to `end`.
  void gather(int end)
  {
    cells_.assign(static_cast<size_t>(end - first_row_) * job_.w * stride_, kNever);
    float * cell = cells_.data();
    for (int y = first_row_; y < end; ++y) {
      for (int x = 0; x < job_.w; ++x, cell += stride_) {
        const float * from = job_.scores + y * job_.row_stride + x * job_.column_stride;
        for (int c = 0; c < job_.num_classes; ++c) {
          cell[c] = from[c * job_.class_stride];
        }
      }
    }
  }

  FCN_INLINE void find_corners(const Run & rows, const Run & columns)
  {
    const auto cell = [&](int y, int x) {
        return cells_.data() + (static_cast<size_t>(y - first_row_) * job_.w + x) * stride_;
      };
    const float * c00 = cell(rows.i0, columns.i0), * c01 = cell(rows.i0, columns.i1);
    const float * c10 = cell(rows.i1, columns.i0), * c11 = cell(rows.i1, columns.i1);
    const float top = rows.t, bottom = rows.last(), left = columns.t, right = columns.last();
    for (int i = 0; i < stride_; i += kBlock) {
      const Floats a = load(c00 + i), b = load(c01 + i);
      const Floats down_a = load(c10 + i) - a, down_b = load(c11 + i) - b;
      const Floats a0 = a + top * down_a, b0 = b + top * down_b;
      const Floats a1 = a + bottom * down_a, b1 = b + bottom * down_b;
      store(&corners_[0][i], a0 + left * (b0 - a0));
      store(&corners_[1][i], a0 + right * (b0 - a0));
      store(&corners_[2][i], a1 + left * (b1 - a1));
      store(&corners_[3][i], a1 + right * (b1 - a1));
    }
  }

  // Set the winner and tell whether it wins all over the patch.
  FCN_INLINE bool find_winner()
  {
    if (wins_everywhere()) {return true;}  // as in the patch before
    const float * first = corners_[0].data();
    for (int c = winner_ = 0; c < job_.num_classes; ++c) {
      if (first[c] > first[winner_]) {winner_ = c;}
    }
    return wins_everywhere();
  }

  FCN_INLINE bool wins_everywhere() const
  {
    Floats lead = Floats{} - std::numeric_limits<float>::infinity();
    for (int b = 0; b < stride_; b += kBlock) {
      for (const auto & corner : corners_) {
        lead = larger(lead, load(&corner[b]) - corner[winner_]);
      }
    }
    return largest(lead) <= 0.0f;
  }

  // List the classes that matter somewhere in the patch.
  FCN_INLINE void find_active()
  {
    // Nowhere is the best score lower than the lowest corner of any class.
    Floats lowest = Floats{} - std::numeric_limits<float>::infinity();
    for (int i = 0; i < stride_; i += kBlock) {
      const Floats a = load(&corners_[0][i]), b = load(&corners_[1][i]);
      const Floats c = load(&corners_[2][i]), d = load(&corners_[3][i]);
      const Floats least = smaller(smaller(a, b), smaller(c, d));
      lowest = larger(lowest, least);
      store(&lowest_[i], least);
      store(&highest_[i], larger(larger(a, b), larger(c, d)));
    }
    const float floor = largest(lowest) + negligible_;
    active_.clear();
    for (int c = 0; c < job_.num_classes; ++c) {
      if (highest_[c] >= floor) {active_.push_back(c);}
    }
  }

  // Tell whether exponentials of score differences leave the range of floats in the patch.
  FCN_INLINE bool is_steep() const
  {
    float least = highest_[winner_];
    for (int c : active_) {
      least = std::min(least, lowest_[c]);
    }
    return !(highest_[winner_] - least < kSteepest);
  }

  // Find the confidence of a block of columns, in all rows of a patch with one winner.
  //
  // Along a column the difference of two scores is linear, so that its exponential takes one
  // multiplication from row to row.
  FCN_INLINE void rate_block(
    const Run & rows, const Run & columns, int x, float down, float across)
  {
    const int height = rows.size();
    const Floats pixel = (kCount + static_cast<float>(x)) * across;
    const auto lead = [&](int c, int corner) {
        return corners_[corner][c] - corners_[corner][winner_];
      };
    std::fill_n(total_.data(), height * kBlock, 1.0f);  // the winner's
    for (int c : active_) {
      if (c == winner_) {continue;}
      const Floats first = lead(c, 0) + pixel * (lead(c, 1) - lead(c, 0));
      const Floats last = lead(c, 2) + pixel * (lead(c, 3) - lead(c, 2));
      Floats share = exponential(first);
      const Floats factor = exponential((last - first) * down);
      for (int y = 0; y < height; ++y) {
        float * total = &total_[y * kBlock];
        store(total, load(total) + share);
        share *= factor;
      }
    }
    for (int y = 0; y < height; ++y) {
      finish_block(rows.begin + y, columns.begin + x, columns.end, load(&total_[y * kBlock]),
        Ints{} + job_.ids[winner_]);
    }
  }

  // Set the scores of a row's first pixel, and by how much they change with each pixel.
  FCN_INLINE void find_row(float share, float across)
  {
    for (int i = 0; i < stride_; i += kBlock) {
      const Floats a = load(&corners_[0][i]), b = load(&corners_[1][i]);
      const Floats first = a + share * (load(&corners_[2][i]) - a);
      const Floats last = b + share * (load(&corners_[3][i]) - b);
      store(&left_[i], first);
      store(&step_[i], (last - first) * across);
    }
  }

  // Classify a row's pixels from `x` on, which lie at (row, column) of the picture.
  FCN_INLINE void classify_block(int row, int column, int end, int x) const
  {
    const Floats pixel = kCount + static_cast<float>(x);
    const auto score = [&](int c) {return left_[c] + pixel * step_[c];};
    Floats best = score(active_[0]);
    Ints id = Ints{} + job_.ids[active_[0]];
    for (size_t k = 1; k < active_.size(); ++k) {
      const Floats other = score(active_[k]);
      const Ints better = other > best;
      id = better ? Ints{} + job_.ids[active_[k]] : id;
      best = better ? other : best;
    }
    if (!wants_probability_) {
      write(job_.class_ids, row, column, end, __builtin_convertvector(id, Bytes));
      return;
    }
    Floats total{};
    for (int c : active_) {
      total += exponential(score(c) - best);
    }
    finish_block(row, column, end, total, id);
  }

  // Write class ids and confidence for sums of exponentials, the winner's being 1.
  FCN_INLINE void finish_block(
    int row, int column, int end, const Floats & total, const Ints & id) const
  {
    const Ints known = total > most_ ? Ints{} + static_cast<int>(kUnknown) : id;
    write(job_.class_ids, row, column, end, __builtin_convertvector(known, Bytes));
    if (job_.confidence) {
      write(job_.confidence, row, column, end,
        __builtin_convertvector(
          __builtin_convertvector(255.0f / total + 0.5f, Ints), Bytes));
    }
  }

  FCN_INLINE void fill(
    uint8_t * image, const Run & rows, const Run & columns, uint8_t value) const
  {
    if (columns.size() > kBlock) {
      for (int y = rows.begin; y < rows.end; ++y) {
        std::memset(image + static_cast<size_t>(y) * job_.width + columns.begin, value,
          columns.size());
      }
      return;
    }
    const Bytes values = Bytes{} + value;
    for (int y = rows.begin; y < rows.end; ++y) {
      write(image, y, columns.begin, columns.end, values);
    }
  }

  // Write a block.  What is beyond `end` belongs to the next patch, which comes later.
  FCN_INLINE void write(
    uint8_t * image, int row, int column, int end, const Bytes & values) const
  {
    uint8_t * to = image + static_cast<size_t>(row) * job_.width + column;
    if (column + kBlock <= job_.width) {
      store(to, values);
    } else {
      std::memcpy(to, &values, std::min(end - column, kBlock));
    }
  }

  const Job & job_;
  const int stride_;  // numbers of a cell: the classes, filled up to whole blocks
  const float negligible_;
  const bool wants_probability_;
  const float most_;  // sum of exponentials above which a pixel is unknown
  const int first_row_;
  std::vector<float> cells_;
  int winner_ = 0;
  // Of each class at the corners: upper left and right, lower left and right; their largest
  // and their least.
  std::vector<float> corners_[4], highest_, lowest_;
  std::vector<float> left_, step_;  // of each class in a row
  std::vector<float> total_;  // of a block of columns, row after row
  std::vector<int> active_;
};

void classify_rows(const Job & job, int top, int bottom)
{
  Patches patches(job, top, bottom);
  for (int r = top; r < bottom; ++r) {
    for (const Run & columns : job.columns) {
      patches.classify(job.rows[r], columns);
    }
  }
}
