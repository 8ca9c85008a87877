// Forward and backward pass of one network of a training step, and the gradients of its weights.
//
// Work is cut by the batch's shape alone, so results have the same bits on any number of threads:
//   - a chain carries one sequence, or a few short ones, forward and back through all layers;
//   - within a chain, loops over blocks of rows and loops over attention heads take turns: only
//     attention couples the rows of a sequence, so all that is between it in one layer and in the
//     next is one task per block; the head's matrix is large, and its products are cut by columns;
//   - a weight task forms some rows of one weight gradient from all positions of all networks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "supernet/model/network.hpp"

namespace paretoformer::supernet {

// How a batch is cut into chains, and each of these into blocks of rows. The last chain may have
// fewer sequences, and fewer rows in its blocks or none.
struct Cut {
  Cut() = default;
  Cut(int sequences_of_batch, int length);

  int sequences = 0, chains = 0;   // of a chain, and all
  int block_rows = 0, blocks = 0;  // of a block, and of a chain
  int row_blocks() const { return chains * blocks; }
};

// Attention tasks of a chain, in the layer that has most.
int attention_tasks(const Architecture& network, const Cut& cut, int length);

// A network on one part of its batch.
template <class T>
struct TrainingPass {
  Pass<T> pass;  // with activations of its own
  Cut cut;       // of the batch, or of one with more sequences
  T scale;       // of the gradient of every position's loss
  // [rows][vocabulary]: of the largest network, which writes them, or which the others learn from
  // with this weight (distillation() of supernet/kernels/kernels.hpp); null: none.
  T* probabilities;
  T soft;
  bool learns_from_probabilities;
  T* vector_gradients;   // [row blocks][layout.vector_size()], added to
  double* losses;        // [row blocks]: sums against the targets, added to
  PackedMatrix<T> norm;  // [rows][model width]: the last LayerNorm's, of pack_norm()
};

// Forward, loss and backward of one chain.
template <class T>
void run_chain(const TrainingPass<T>& pass, int chain);

// Packs what all weight tasks of the head multiply, once all chains are done.
template <class T>
void pack_norm(const TrainingPass<T>& pass);

// Some rows of a matrix. Those of `head` are of the token embedding, and of an untied head too.
struct WeightTask {
  enum class Kind { head, position_embedding, qkv, output, up, down } kind;
  int layer;
  int first_row, rows;
};
// Of all matrices, the longest first.
std::vector<WeightTask> weight_tasks(const ParameterLayout& layout);

// Adds to this task's rows of the gradient what every pass contributes, one after the other. With
// `replace` the first of them, which must be the largest network's, writes.
template <class T>
void weight_gradient(std::span<const TrainingPass<T>> passes, const WeightTask& task, bool replace,
                     T* gradient);

}  // namespace paretoformer::supernet
