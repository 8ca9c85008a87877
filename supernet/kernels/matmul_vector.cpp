// matmul_vector() of matmul.hpp, compiled once per instruction set: see kernel_sets.hpp, also for
// why nothing of a header is called here but the C library.
#include <cstring>
#include <utility>

#include "supernet/kernels/kernel_sets.hpp"

// The structure is Goto's (Goto and van de Geijn 2008, "Anatomy of high-performance matrix
// multiplication"): a register tile of kTileRows x (2 vectors) accumulates over a block of k;
// B is packed into panels of the tile's width, and A is read in place where its rows are
// contiguous. The vectors are the compilers' vector extension, so one source serves AVX-512, AVX2
// and others.
namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 14;  // 14 x 2 accumulators + 2 of B + 1 of A of the 32 registers
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 6;  // 6 x 2 + 2 + 1 of the 16 registers
#else
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 6;
#endif

constexpr int kBlockK = 384;  // a packed panel of B is two vectors wide: 48 kB
constexpr int kBlockN = 512;  // the packed block of B, 768 kB in fp32, stays in the L2 cache
constexpr int kBlockM = 512;  // rows, and
constexpr int kPackK = 768;   // depth of a packed block of A, which is packed once for all of n

constexpr int smaller(int a, int b) { return a < b ? a : b; }

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int kPanel = 2 * kLanes<T>;

template <class T>
struct VectorOf {
  typedef T Aligned __attribute__((vector_size(kVectorBytes)));
  typedef T Unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::Aligned;

template <class T>
Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::Unaligned*>(p);
}
template <class T>
void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorOf<T>::Unaligned*>(p) = v;
}

// Transposes a square of kLanes x kLanes held in registers: swaps off-diagonal blocks of halving
// size.
template <class T, int kBlock, std::size_t... kLane>
void swap_blocks(Vector<T>* rows, std::index_sequence<kLane...>) {
  constexpr int kN = kLanes<T>;
  for (int i = 0; i < kN; ++i) {
    if (i & kBlock) continue;
    const Vector<T> upper = rows[i];
    const Vector<T> lower = rows[i + kBlock];
    rows[i] = __builtin_shufflevector(
        upper, lower,
        (kLane & kBlock ? static_cast<int>(kLane) - kBlock + kN : static_cast<int>(kLane))...);
    rows[i + kBlock] = __builtin_shufflevector(
        upper, lower,
        (kLane & kBlock ? static_cast<int>(kLane) + kN : static_cast<int>(kLane) + kBlock)...);
  }
}

template <class T>
void transpose_square(const T* source, std::ptrdiff_t stride, T* target,
                      std::ptrdiff_t target_stride) {
  constexpr int kN = kLanes<T>;
  constexpr auto kIndices = std::make_index_sequence<kN>{};
  Vector<T> rows[kN];
  for (int i = 0; i < kN; ++i) rows[i] = load(source + i * stride);
  if constexpr (kN >= 16) swap_blocks<T, 8>(rows, kIndices);
  if constexpr (kN >= 8) swap_blocks<T, 4>(rows, kIndices);
  if constexpr (kN >= 4) swap_blocks<T, 2>(rows, kIndices);
  swap_blocks<T, 1>(rows, kIndices);
  for (int i = 0; i < kN; ++i) store(target + i * target_stride, rows[i]);
}

// Packs B(0..k, 0..n) into panels [k][kPanel], the last one padded with zeros; memory is read along
// the direction that is contiguous.
template <class T>
void pack_rows_of_b(int k, int n, MatrixView<T> b, T* packed) {
  constexpr int kWide = kPanel<T>;
  const int whole = n / kWide * kWide;
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(k) * kWide;
  for (int p = 0; p < k; ++p) {
    const T* source = b.data + p * b.row_stride;
    T* target = packed + static_cast<std::ptrdiff_t>(p) * kWide;
    for (int j = 0; j < whole; j += kWide, target += panel) {
      store(target, load(source + j));
      store(target + kLanes<T>, load(source + j + kLanes<T>));
    }
    if (whole == n) continue;
    for (int j = 0; j < kWide; ++j) target[j] = whole + j < n ? source[whole + j] : T{0};
  }
}

template <class T>
void pack_columns_of_b(int k, int n, MatrixView<T> b, T* packed) {
  constexpr int kWide = kPanel<T>;
  constexpr int kN = kLanes<T>;
  for (int j = 0; j < n; j += kWide, packed += static_cast<std::ptrdiff_t>(k) * kWide)
    for (int jj = 0; jj < kWide; jj += kN) {
      const T* source = b.data + (j + jj) * b.column_stride;
      const int here = smaller(n - j - jj, kN);  // negative: none
      int p = 0;
      if (here == kN)
        for (; p + kN <= k; p += kN) {
          // The columns after these: hardware does not foresee the jump to them.
          for (int lane = 0; lane < kN; ++lane)
            __builtin_prefetch(source + (kN + lane) * b.column_stride + p);
          transpose_square(source + p, b.column_stride,
                           packed + static_cast<std::ptrdiff_t>(p) * kWide + jj, kWide);
        }
      for (; p < k; ++p)
        for (int lane = 0; lane < kN; ++lane)
          packed[static_cast<std::ptrdiff_t>(p) * kWide + jj + lane] =
              lane < here ? source[lane * b.column_stride + p] : T{0};
    }
}

template <class T>
void pack_b(int k, int n, MatrixView<T> b, T* packed) {
  if (b.column_stride == 1) return pack_rows_of_b(k, n, b, packed);
  pack_columns_of_b(k, n, b, packed);
}

// Of a panel, what one tile fetches for the tiles to come.
constexpr int kParts = 8;

// One register tile: C[kRows x kColumns vectors] (+)= A[kRows x k] panel[k]. With kPacked, A is
// [k][kRows]; otherwise its rows are `a_stride` apart. Meanwhile it brings one of kParts of a panel
// to the L2 cache, from `ahead` on: one packed for a whole step is not there yet.
template <class T, int kRows, int kColumns, bool kPacked>
void tile(int k, const T* a, std::ptrdiff_t a_stride, const T* panel, const T* ahead, T* c,
          std::ptrdiff_t c_stride, bool accumulate) {
  Vector<T> sum[kRows][kColumns] = {};
  // Where the sums go may be far as well.
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kColumns; ++j) __builtin_prefetch(c + i * c_stride + j * kLanes<T>, 1);
  // Rows in groups of three: base, base + stride, base + 2 * stride are x86 addressing modes, so
  // five pointers serve fourteen rows.
  constexpr int kGroups = (kRows + 2) / 3;
  const T* base[kGroups];
  for (int g = 0; g < kGroups; ++g) base[g] = a + 3 * g * a_stride;
  for (int p = 0; p < k; ++p) {
    if (p % 4 == 0) __builtin_prefetch(ahead + p * (kPanel<T> / kParts), 0, 2);
    Vector<T> b[kColumns];
    for (int j = 0; j < kColumns; ++j) b[j] = load(panel + p * kPanel<T> + j * kLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const T element = kPacked ? a[p * kRows + i] : base[i / 3][(i % 3) * a_stride + p];
      const Vector<T> broadcast = element - Vector<T>{};
      for (int j = 0; j < kColumns; ++j) sum[i][j] += broadcast * b[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kColumns; ++j) {
      T* target = c + i * c_stride + j * kLanes<T>;
      store(target, accumulate ? load(target) + sum[i][j] : sum[i][j]);
    }
}

// Packs A(0..m, 0..k) into tiles of kRows rows, each [k][kRows], the last one with fewer. Where
// rows are contiguous, all tiles of one k are filled together: its elements are side by side in
// memory, those of another k may be a page away.
template <class T, int kRows>
void pack_a(int m, int k, MatrixView<T> a, T* packed) {
  const int whole = m / kRows * kRows;
  const int rest = m - whole;
  T* const last = packed + static_cast<std::ptrdiff_t>(whole) * k;
  if (a.row_stride == 1) {
    for (int p = 0; p < k; ++p) {
      const T* source = a.data + p * a.column_stride;
      T* target = packed + p * kRows;
      for (int i = 0; i < whole; i += kRows, target += k * kRows)
        std::memcpy(target, source + i, kRows * sizeof(T));
      for (int i = 0; i < rest; ++i) last[p * rest + i] = source[whole + i];
    }
    return;
  }
  for (int i = 0; i < m; i += kRows) {
    const int rows = smaller(kRows, m - i);
    T* const target = packed + static_cast<std::ptrdiff_t>(i) * k;
    for (int r = 0; r < rows; ++r)
      for (int p = 0; p < k; ++p)
        target[p * rows + r] = a.data[(i + r) * a.row_stride + p * a.column_stride];
  }
}

template <class T>
using Tile = void (*)(int, const T*, std::ptrdiff_t, const T*, const T*, T*, std::ptrdiff_t, bool);

template <class T, int kColumns, bool kPacked, std::size_t... kRow>
Tile<T> pick_tile(int rows, std::index_sequence<kRow...>) {
  static constexpr Tile<T> kTiles[] = {tile<T, static_cast<int>(kRow) + 1, kColumns, kPacked>...};
  return kTiles[rows - 1];
}

template <class T>
Tile<T> pick_tile(int rows, int columns, bool packed) {
  constexpr auto kRows = std::make_index_sequence<kTileRows>{};
  if (columns == 2)
    return packed ? pick_tile<T, 2, true>(rows, kRows) : pick_tile<T, 2, false>(rows, kRows);
  return packed ? pick_tile<T, 1, true>(rows, kRows) : pick_tile<T, 1, false>(rows, kRows);
}

template <class T>
using Pack = void (*)(int, int, MatrixView<T>, T*);

template <class T, std::size_t... kRow>
Pack<T> pick_pack(int rows, std::index_sequence<kRow...>) {
  static constexpr Pack<T> kPacks[] = {pack_a<T, static_cast<int>(kRow) + 1>...};
  return kPacks[rows - 1];
}

// A block of rows of A as the tiles read it.
template <class T>
struct Rows {
  int count, height;  // rows, and rows per tile
  bool packed;        // tiles are [k][rows], `k` of them packed; otherwise `stride` apart
  const T* data;
  std::ptrdiff_t stride;
  int k;

  // Of the tile that begins at `row`, from its element `p` on.
  const T* tile(int row, int p) const {
    if (!packed) return data + row * stride + p;
    return data + static_cast<std::ptrdiff_t>(row) * k + p * smaller(height, count - row);
  }
};

template <class T>
Rows<T> rows_of(int m, int k, MatrixView<T> a, T* buffer) {
  // Equal heights instead of full tiles and a small remainder.
  const int tiles = (m + kTileRows - 1) / kTileRows;
  const int height = (m + tiles - 1) / tiles;
  // Rows that are a multiple of 4 kB apart share one set of the L1 cache: pack those as well.
  const bool pack =
      a.column_stride != 1 || (a.row_stride * static_cast<std::ptrdiff_t>(sizeof(T))) % 4096 == 0;
  if (pack) pick_pack<T>(height, std::make_index_sequence<kTileRows>{})(m, k, a, buffer);
  return {m, height, pack, pack ? buffer : a.data, a.row_stride, k};
}

// A block of B as panels of `depth` rows, of which a product may use the first ones.
template <class T>
struct Panels {
  const T* data;
  int depth;

  // Of the columns from j on.
  const T* panel(int j) const { return data + static_cast<std::ptrdiff_t>(j) * depth; }
};

// The columns [p, p + k) of a block of A times the packed block of B.
template <class T>
void rows_times_panels(const Rows<T>& a, int p, int n, int k, const Panels<T>& b, T* c,
                       std::ptrdiff_t c_stride, bool accumulate) {
  T edge[kTileRows * kPanel<T>];
  for (int j = 0; j < n; j += kPanel<T>) {
    const T* panel = b.panel(j);
    const int columns = smaller(kPanel<T>, n - j);
    const int vectors = columns > kLanes<T> ? 2 : 1;
    const bool whole = columns == vectors * kLanes<T>;
    int part = 0;
    for (int i = 0; i < a.count; i += a.height, ++part) {
      // Beyond the last panel as well, where it does no harm.
      const T* const ahead =
          part < kParts ? b.panel(j + kPanel<T>) + part * k * (kPanel<T> / kParts) : panel;
      const int rows = smaller(a.height, a.count - i);
      T* target = c + i * c_stride + j;
      const Tile<T> run = pick_tile<T>(rows, vectors, a.packed);
      if (whole) {
        run(k, a.tile(i, p), a.stride, panel, ahead, target, c_stride, accumulate);
        continue;
      }
      run(k, a.tile(i, p), a.stride, panel, ahead, edge, kPanel<T>, false);
      for (int r = 0; r < rows; ++r)
        for (int s = 0; s < columns; ++s) {
          T& out = target[r * c_stride + s];
          out = accumulate ? out + edge[r * kPanel<T> + s] : edge[r * kPanel<T> + s];
        }
    }
  }
}

template <class T>
constexpr std::size_t kScratchOfB = static_cast<std::size_t>(kBlockK) * (kBlockN + kPanel<T>);

// block_of_b(p, j, depth, columns): the panels of B's rows from p and columns from j on.
template <class T, class BlockOfB>
void multiply_blocks(int m, int n, int k, MatrixView<T> a, const BlockOfB& block_of_b, T* c,
                     std::ptrdiff_t c_stride, Into into) {
  constexpr std::size_t kPackedA = static_cast<std::size_t>(kBlockM) * kPackK;
  static_assert((kPackedA + kScratchOfB<T>)*sizeof(T) <= kMatmulScratch);
  T* const packed_a = static_cast<T*>(matmul_scratch()) + kScratchOfB<T>;
  for (int i = 0; i < m; i += kBlockM)
    for (int q = 0; q < k; q += kPackK) {
      const int packed = smaller(kPackK, k - q);
      const Rows<T> rows = rows_of<T>(
          smaller(kBlockM, m - i), packed,
          {a.data + i * a.row_stride + q * a.column_stride, a.row_stride, a.column_stride},
          packed_a);
      for (int j = 0; j < n; j += kBlockN)
        for (int p = 0; p < packed; p += kBlockK) {
          const int columns = smaller(kBlockN, n - j);
          const int depth = smaller(kBlockK, packed - p);
          rows_times_panels<T>(rows, p, columns, depth, block_of_b(q + p, j, depth, columns),
                               c + i * c_stride + j, c_stride,
                               into == Into::accumulate || q + p > 0);
        }
    }
}

template <class T>
MatrixView<T> part_of(MatrixView<T> b, int p, int j) {
  return {b.data + p * b.row_stride + j * b.column_stride, b.row_stride, b.column_stride};
}

template <class T>
void multiply(int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c, std::ptrdiff_t c_stride,
              Into into) {
  T* const packed = static_cast<T*>(matmul_scratch());
  const auto block = [=](int p, int j, int depth, int columns) -> Panels<T> {
    pack_b<T>(depth, columns, part_of(b, p, j), packed);
    return {packed, depth};
  };
  multiply_blocks(m, n, k, a, block, c, c_stride, into);
}

template <class T>
int packed_depth(const PackedMatrix<T>& packed, int p) {
  return smaller(kBlockK, packed.rows - p);
}

// A packed matrix is one block of kBlockK rows after the other, each of panels of all columns.
template <class T>
T* packed_block(const PackedMatrix<T>& packed, int p, int first) {
  static_assert(kPackedColumns % kPanel<T> == 0 && kPackK % kBlockK == 0);
  const std::ptrdiff_t columns =
      (packed.columns + kPackedColumns - 1) / kPackedColumns * kPackedColumns;
  return static_cast<T*>(packed.data) + p * columns +
         static_cast<std::ptrdiff_t>(first) * packed_depth(packed, p);
}

template <class T>
void pack_matrix(MatrixView<T> b, int first, int last, const PackedMatrix<T>& packed) {
  for (int p = 0; p < packed.rows; p += kBlockK)
    pack_b<T>(packed_depth(packed, p), last - first, part_of(b, p, first),
              packed_block(packed, p, first));
}

template <class T>
void multiply(int m, int n, int k, MatrixView<T> a, const PackedMatrix<T>& b, int first, T* c,
              std::ptrdiff_t c_stride, Into into) {
  const auto block = [&](int p, int j, int, int) -> Panels<T> {
    return {packed_block(b, p, first + j), packed_depth(b, p)};
  };
  multiply_blocks(m, n, k, a, block, c, c_stride, into);
}

}  // namespace

void matmul_float(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                  std::ptrdiff_t c_stride, Into into) {
  multiply(m, n, k, a, b, c, c_stride, into);
}

void matmul_double(int m, int n, int k, MatrixView<double> a, MatrixView<double> b, double* c,
                   std::ptrdiff_t c_stride, Into into) {
  multiply(m, n, k, a, b, c, c_stride, into);
}

void pack_float(MatrixView<float> b, int first, int last, const PackedMatrix<float>& packed) {
  pack_matrix(b, first, last, packed);
}

void pack_double(MatrixView<double> b, int first, int last, const PackedMatrix<double>& packed) {
  pack_matrix(b, first, last, packed);
}

void matmul_packed_float(int m, int n, int k, MatrixView<float> a, const PackedMatrix<float>& b,
                         int first, float* c, std::ptrdiff_t c_stride, Into into) {
  multiply(m, n, k, a, b, first, c, c_stride, into);
}

void matmul_packed_double(int m, int n, int k, MatrixView<double> a, const PackedMatrix<double>& b,
                          int first, double* c, std::ptrdiff_t c_stride, Into into) {
  multiply(m, n, k, a, b, first, c, c_stride, into);
}

}  // namespace paretoformer::supernet::PARETOFORMER_KERNEL_SET
