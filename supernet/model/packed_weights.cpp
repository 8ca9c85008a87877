#include "supernet/model/packed_weights.hpp"

#include <algorithm>
#include <new>

#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::align_val_t kAlign{64};

}  // namespace

void FreePacked::operator()(void* memory) const { ::operator delete(memory, kAlign); }

PackedMemory packed_memory(std::size_t bytes) {
  return PackedMemory(::operator new(bytes, kAlign));
}

template <class T>
PackedWeights<T>::PackedWeights(const ParameterLayout& layout, Products products, PackedFor use) {
  for (const Tensor& tensor : layout.tensors()) {
    const bool looked_up = tensor.offset == layout.position_embedding ||
                           (tensor.offset == layout.token_embedding && layout.untied());
    if (tensor.offset < layout.matrix_size() && !looked_up)
      matrices_.push_back({tensor.offset,
                           tensor.columns,
                           {nullptr, tensor.columns, tensor.rows, products},
                           {nullptr, tensor.rows, tensor.columns, products}});
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < matrices_.size(); ++i)
    for (const bool forward : {true, false}) {
      if (!forward && use == PackedFor::evaluation) continue;
      const PackedMatrix<T>& packed = forward ? matrices_[i].forward : matrices_[i].backward;
      bytes += packed_bytes<T>(packed.rows, packed.columns, products);
      constexpr int kColumns = 8 * kPackedColumns;
      for (int first = 0; first < packed.columns; first += kColumns)
        tasks_.push_back({i, forward, first, std::min(first + kColumns, packed.columns)});
    }
  memory_ = packed_memory(bytes);
  auto* next = static_cast<std::byte*>(memory_.get());
  for (Matrix& matrix : matrices_)
    for (PackedMatrix<T>* packed : {&matrix.forward, &matrix.backward}) {
      if (packed == &matrix.backward && use == PackedFor::evaluation) continue;
      packed->data = next;
      next += packed_bytes<T>(packed->rows, packed->columns, products);
    }
}

template <class T>
void PackedWeights<T>::pack(const T* parameters) {
  parallel_tasks(tasks_.size(), [&](std::size_t index) {
    const Task& task = tasks_[index];
    const Matrix& matrix = matrices_[task.matrix];
    const T* const weights = parameters + matrix.offset;
    if (task.forward)
      supernet::pack<T>(transposed<T>(weights, matrix.columns), task.first, task.last,
                        matrix.forward);
    else
      supernet::pack<T>(plain<T>(weights, matrix.columns), task.first, task.last, matrix.backward);
  });
}

template <class T>
const typename PackedWeights<T>::Matrix& PackedWeights<T>::of(std::size_t offset) const {
  return *std::find_if(matrices_.begin(), matrices_.end(),
                       [&](const Matrix& matrix) { return matrix.offset == offset; });
}

template class PackedWeights<float>;
template class PackedWeights<double>;

}  // namespace paretoformer::supernet
