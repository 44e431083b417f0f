// The patches of classify.cpp, which includes this file once for each kind of processor:
// the compiler brings vectors to a processor's registers before it inlines.

// Vectors are written out, GCC's and Clang's own, and work on whole blocks: the remainders of
// rows of some ten pixels would take most of the time.
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

// exp(x) for x <= 0, relative error below 5e-5.
FCN_INLINE Floats exp_negative(const Floats & x)
{
  const Floats lowest = Floats{} - 80.0f;
  const Floats y = larger(x, lowest) * 1.44269504f;
  const Ints whole = __builtin_convertvector(y - 0.5f, Ints);  // rounds, since y <= 0
  const Floats f = y - __builtin_convertvector(whole, Floats);
  // 2^f on [-0.5, 0.5]: Taylor series of exp(f ln 2)
  Floats p = f * 9.6181291e-3f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(p) + (whole << 23));
}

// A patch of the output, and the scores of all classes at its corners.
class Patches
{
public:
  explicit Patches(const Job & job)
  : job_(job), blocks_(blocks_of(job.num_classes)),
    negligible_(std::log(kNeglected / static_cast<float>(std::max(1, job.num_classes - 1)))),
    wants_probability_(job.confidence != nullptr || job.min_confidence > 0.0f)
  {
    for (auto & corner : corners_) {
      corner.resize(blocks_ * kBlock);
    }
    highest_.resize(blocks_ * kBlock);
    active_.reserve(job.num_classes);
    int pixels = 0;
    for (const Run & rows : job.rows) {
      pixels = std::max(pixels, rows.size());
    }
    int columns = 0;
    for (const Run & run : job.columns) {
      columns = std::max(columns, run.size());
    }
    const int buffer = pixels * columns + kBlock;
    score_.resize(buffer);
    best_.resize(buffer);
    total_.resize(buffer);
    index_.resize(buffer);
    bytes_.resize(buffer);
  }

  FCN_INLINE void classify(const Run & rows, const Run & columns)
  {
    find_corners(rows, columns);
    const bool uniform = find_winner();
    if (uniform) {
      fill(job_.class_ids, rows, columns, job_.ids[winner_]);
      if (!wants_probability_) {return;}
    }
    find_active();
    if (active_.size() == 1) {
      // Its share is 1 but for less than can be seen.
      if (!uniform) {fill(job_.class_ids, rows, columns, job_.ids[active_[0]]);}
      if (job_.confidence) {fill(job_.confidence, rows, columns, 255);}
      return;
    }
    const int n = rows.size() * columns.size();
    if (uniform) {
      interpolate(winner_, rows, columns, best_.data());
    } else {
      find_best(rows, columns, n);
      copy(job_.class_ids, rows, columns);
      if (!wants_probability_) {return;}
    }
    std::fill_n(total_.data(), n, uniform ? 1.0f : 0.0f);
    for (int c : active_) {
      if (uniform && c == winner_) {continue;}
      interpolate(c, rows, columns, score_.data());
      for (int i = 0; i < n; i += kBlock) {
        store(&total_[i], load(&total_[i]) + exp_negative(load(&score_[i]) - load(&best_[i])));
      }
    }
    if (job_.min_confidence > 0.0f) {
      blank_unsure(rows, columns);
    }
    if (job_.confidence) {
      for (int i = 0; i < n; i += kBlock) {
        const Ints steps = __builtin_convertvector(255.0f / load(&total_[i]) + 0.5f, Ints);
        store(&bytes_[i], __builtin_convertvector(steps, Bytes));
      }
      copy(job_.confidence, rows, columns);
    }
  }

private:
  FCN_INLINE void find_corners(const Run & rows, const Run & columns)
  {
    const int stride = blocks_ * kBlock;
    const auto cell = [&](int y, int x) {
        return job_.scores + (static_cast<size_t>(y) * job_.w + x) * stride;
      };
    const float * c00 = cell(rows.i0, columns.i0), * c01 = cell(rows.i0, columns.i1);
    const float * c10 = cell(rows.i1, columns.i0), * c11 = cell(rows.i1, columns.i1);
    const float top = rows.t, bottom = rows.last(), left = columns.t, right = columns.last();
    for (int i = 0; i < stride; i += kBlock) {
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
    for (int b = 0; b < blocks_ * kBlock; b += kBlock) {
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
    for (int i = 0; i < blocks_ * kBlock; i += kBlock) {
      const Floats a = load(&corners_[0][i]), b = load(&corners_[1][i]);
      const Floats c = load(&corners_[2][i]), d = load(&corners_[3][i]);
      lowest = larger(lowest, smaller(smaller(a, b), smaller(c, d)));
      store(&highest_[i], larger(larger(a, b), larger(c, d)));
    }
    const float floor = largest(lowest) + negligible_;
    active_.clear();
    for (int c = 0; c < job_.num_classes; ++c) {
      if (highest_[c] >= floor) {active_.push_back(c);}
    }
  }

  // Set the best score of each pixel, and the bytes to its class id.
  FCN_INLINE void find_best(const Run & rows, const Run & columns, int n)
  {
    std::fill_n(best_.data(), n, -std::numeric_limits<float>::infinity());
    for (int c : active_) {
      interpolate(c, rows, columns, score_.data());
      for (int i = 0; i < n; i += kBlock) {
        const Floats score = load(&score_[i]), best = load(&best_[i]);
        const Ints better = score > best;
        Ints id;
        std::memcpy(&id, &index_[i], sizeof id);
        store(&index_[i], better ? Ints{} + job_.ids[c] : id);
        store(&best_[i], better ? score : best);
      }
    }
    for (int i = 0; i < n; ++i) {
      bytes_[i] = static_cast<uint8_t>(index_[i]);
    }
  }

  // Write a class's scores, row after row.
  FCN_INLINE void interpolate(
    int c, const Run & rows, const Run & columns, float * out) const
  {
    const int n = columns.size(), height = rows.size();
    const float down = height > 1 ? 1.0f / static_cast<float>(height - 1) : 0.0f;
    const float across = n > 1 ? 1.0f / static_cast<float>(n - 1) : 0.0f;
    for (int y = 0; y < height; ++y) {
      const float share = static_cast<float>(y) * down;
      const float first = corners_[0][c] + share * (corners_[2][c] - corners_[0][c]);
      const float last = corners_[1][c] + share * (corners_[3][c] - corners_[1][c]);
      const float step = (last - first) * across;
      // Beyond the row's end, too: the next row overwrites it, the last one has room.
      Floats score = first + kCount * step;
      for (int x = 0; x < n; x += kBlock) {
        store(out + x, score);
        score += kBlock * step;
      }
      out += n;
    }
  }

  FCN_INLINE void fill(
    uint8_t * image, const Run & rows, const Run & columns, uint8_t value) const
  {
    for (int y = rows.begin; y < rows.end; ++y) {
      std::memset(image + static_cast<size_t>(y) * job_.width + columns.begin, value,
        columns.size());
    }
  }

  FCN_INLINE void copy(uint8_t * image, const Run & rows, const Run & columns) const
  {
    for (int y = 0; y < rows.size(); ++y) {
      std::memcpy(image + static_cast<size_t>(rows.begin + y) * job_.width + columns.begin,
        bytes_.data() + y * columns.size(), columns.size());
    }
  }

  FCN_INLINE void blank_unsure(const Run & rows, const Run & columns) const
  {
    const float most = 1.0f / job_.min_confidence;
    const float * total = total_.data();
    for (int y = rows.begin; y < rows.end; ++y) {
      uint8_t * ids = job_.class_ids + static_cast<size_t>(y) * job_.width;
      for (int x = columns.begin; x < columns.end; ++x, ++total) {
        if (*total > most) {ids[x] = kUnknown;}
      }
    }
  }

  const Job & job_;
  const int blocks_;
  const float negligible_;
  const bool wants_probability_;
  int winner_ = 0;
  // Of each class at the corners: upper left and right, lower left and right; their largest.
  std::vector<float> corners_[4], highest_;
  std::vector<int> active_;
  std::vector<float> score_, best_, total_;  // pixels of a patch, row after row
  std::vector<int32_t> index_;
  std::vector<uint8_t> bytes_;
};

void classify_rows(const Job & job, int top, int bottom)
{
  Patches patches(job);
  for (int r = top; r < bottom; ++r) {
    for (const Run & columns : job.columns) {
      patches.classify(job.rows[r], columns);
    }
  }
}
