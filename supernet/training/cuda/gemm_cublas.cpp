#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>

#include "supernet/training/cuda/gemm.hpp"

namespace paretoformer::supernet::cuda {
namespace {

// What cuBLAS itself takes on compute capability 9.0 (cublasSetWorkspace() in its documentation).
constexpr std::size_t kWorkspace = std::size_t{32} << 20;

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(std::string("cuBLASLt: ") + what + ": " + cublasLtGetStatusString(status));
}

template <class Handle, cublasStatus_t (*destroy)(Handle)>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>,
                              decltype([](Handle handle) { destroy(handle); })>;
using Library = Owned<cublasLtHandle_t, cublasLtDestroy>;
using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// Rows in memory are columns to cuBLAS, which therefore forms the transpose, C' = B' A'.
// A view is `transposed` if its rows, not its columns, lie one after the other.
struct Factor {
  std::int64_t rows, columns, stride;  // of what lies in memory, as rows
  bool transposed;
};

Factor factor(int rows, int columns, const MatrixView<Bf16>& view) {
  const bool transposed = view.column_stride != 1;
  if (transposed) std::swap(rows, columns);
  // The stride between rows is not used where there is one, but cuBLAS looks at it.
  const std::ptrdiff_t stride = transposed ? view.column_stride : view.row_stride;
  return {rows, columns, rows == 1 ? std::max<std::ptrdiff_t>(stride, columns) : stride,
          transposed};
}

Layout layout(cudaDataType type, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  cublasLtMatrixLayout_t handle = nullptr;
  check(cublasLtMatrixLayoutCreate(&handle, type, static_cast<std::uint64_t>(columns),
                                   static_cast<std::uint64_t>(rows), stride),
        "layout");
  return Layout(handle);
}

std::int64_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return address == 0 ? 256
                      : std::min<std::int64_t>(256, static_cast<std::int64_t>(address & -address));
}

struct Plan {
  Operation operation;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm;
};

// All that a plan depends on.
using Key = std::array<std::int64_t, 13>;

// What one stream's products share; a workspace must not be used by two at a time.
class Products {
 public:
  Products() : workspace_(kWorkspace) {
    cublasLtHandle_t handle = nullptr;
    check(cublasLtCreate(&handle), "start");
    library_.reset(handle);
  }

  void run(Stream& stream, const Key& key, const Factor& a, const Factor& b, const Bf16* a_data,
           const Bf16* b_data, void* c, bool accumulate) {
    auto found = plans_.find(key);
    if (found == plans_.end()) found = plans_.emplace(key, plan(key, a, b)).first;
    const Plan& plan = found->second;
    const float one = 1.0F;
    const float beta = accumulate ? 1.0F : 0.0F;
    check(cublasLtMatmul(library_.get(), plan.operation.get(), &one, b_data, plan.b.get(), a_data,
                         plan.a.get(), &beta, c, plan.c.get(), c, plan.c.get(), &plan.algorithm,
                         workspace_.data(), kWorkspace, static_cast<cudaStream_t>(stream.handle())),
          "product");
  }

  static Key key(int m, int n, int k, const Factor& a, const Factor& b, const void* a_data,
                 const void* b_data, const void* c, std::ptrdiff_t c_stride, bool fp32,
                 bool accumulate) {
    return {m,        n,    k,          a.transposed,      b.transposed,      a.stride,    b.stride,
            c_stride, fp32, accumulate, alignment(a_data), alignment(b_data), alignment(c)};
  }

 private:
  Plan plan(const Key& key, const Factor& a, const Factor& b) {
    Plan plan;
    cublasLtMatmulDesc_t operation = nullptr;
    check(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "operation");
    plan.operation.reset(operation);
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, bool transposed) {
      const cublasOperation_t value = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
      check(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value),
            "operation");
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, b.transposed);
    set(CUBLASLT_MATMUL_DESC_TRANSB, a.transposed);
    plan.a = layout(CUDA_R_16BF, a.rows, a.columns, a.stride);
    plan.b = layout(CUDA_R_16BF, b.rows, b.columns, b.stride);
    plan.c = layout(key[8] != 0 ? CUDA_R_32F : CUDA_R_16BF, key[0], key[1], key[7]);

    cublasLtMatmulPreference_t handle = nullptr;
    check(cublasLtMatmulPreferenceCreate(&handle), "preference");
    const Preference preference(handle);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(handle, attribute, &value, sizeof value),
            "preference");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspace});
    // Of the ways to add up a sum that several blocks share, the one with a step of its own: parts
    // are in the workspace in fp32 and added in their order. Together with a fixed algorithm per
    // plan, and heuristics that know the shapes only, a call gives the same bits in every run
    // (cuBLAS documentation, "Results Reproducibility": on GPUs of one architecture with as many
    // multiprocessors, with one version of the library).
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    // By default 256 bytes, and wrong results or faults where that is not so.
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key[11]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key[10]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key[12]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key[12]));

    cublasLtMatmulHeuristicResult_t result;
    int results = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(library_.get(), operation, plan.b.get(), plan.a.get(),
                                       plan.c.get(), plan.c.get(), handle, 1, &result, &results);
    if (status != CUBLAS_STATUS_SUCCESS || results == 0)
      throw Error("cuBLASLt: no algorithm for a product of " + std::to_string(key[0]) + " x " +
                  std::to_string(key[2]) + " and " + std::to_string(key[2]) + " x " +
                  std::to_string(key[1]) + ": " + cublasLtGetStatusString(status));
    plan.algorithm = result.algo;
    return plan;
  }

  Library library_;
  DeviceArray<unsigned char> workspace_;
  std::map<Key, Plan> plans_;
};

}  // namespace

template <class T>
void gemm(Stream& stream, int m, int n, int k, MatrixView<Bf16> a, MatrixView<Bf16> b, T* c,
          std::ptrdiff_t c_stride, Into into) {
  if (!stream.products) stream.products = std::make_shared<Products>();
  const Factor left = factor(m, k, a);
  const Factor right = factor(k, n, b);
  const bool accumulate = into == Into::accumulate;
  // Again only where there is one row.
  if (m == 1) c_stride = std::max<std::ptrdiff_t>(c_stride, n);
  const Key key = Products::key(m, n, k, left, right, a.data, b.data, c, c_stride,
                                std::is_same_v<T, float>, accumulate);
  static_cast<Products*>(stream.products.get())
      ->run(stream, key, left, right, a.data, b.data, c, accumulate);
}

template void gemm(Stream&, int, int, int, MatrixView<Bf16>, MatrixView<Bf16>, float*,
                   std::ptrdiff_t, Into);
template void gemm(Stream&, int, int, int, MatrixView<Bf16>, MatrixView<Bf16>, Bf16*,
                   std::ptrdiff_t, Into);

}  // namespace paretoformer::supernet::cuda
