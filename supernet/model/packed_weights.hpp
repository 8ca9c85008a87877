// The matrices of the shared weights as products take them, packed once for all rows and all
// networks of a step.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "supernet/kernels/matmul.hpp"
#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

// Memory for packed matrices.
struct FreePacked {
  void operator()(void* memory) const;
};
using PackedMemory = std::unique_ptr<void, FreePacked>;
PackedMemory packed_memory(std::size_t bytes);

// What they are for: passes that evaluate, or training as well.
enum class PackedFor { evaluation, training };

template <class T>
class PackedWeights {
 public:
  // Plans all memory: for training twice that of the matrices, otherwise once; half as much in
  // bf16, and half as much again in fp32 on tiles.
  PackedWeights(const ParameterLayout& layout, Products products,
                PackedFor use = PackedFor::training);

  // On all threads; not while a pass reads them.
  void pack(const T* parameters);

  // The one that begins at `offset` in the arena, [out][in]: its transpose, of which products make
  // outputs from inputs, and itself, with which gradients go back (training).
  const PackedMatrix<T>& forward(std::size_t offset) const { return of(offset).forward; }
  const PackedMatrix<T>& backward(std::size_t offset) const { return of(offset).backward; }

 private:
  struct Matrix {
    std::size_t offset;
    int columns;
    PackedMatrix<T> forward, backward;
  };
  struct Task {  // columns of one of the two
    std::size_t matrix;
    bool forward;
    int first, last;
  };

  const Matrix& of(std::size_t offset) const;

  std::vector<Matrix> matrices_;
  std::vector<Task> tasks_;
  PackedMemory memory_;
};

}  // namespace paretoformer::supernet
