// What the ONNX graphs of a network have in common, in fp32 and in int8.
#pragma once

#include <string>
#include <vector>

#include "nas/export/onnx_model.hpp"

namespace paretoformer::nas {

class OnnxParts {
 public:
  // The graph's input, int64 [batch][length].
  explicit OnnxParts(int head_width);

  OnnxModel model;
  const std::string tokens;

  std::string scalar(const std::string& name, double value);
  // Rows x columns of values [columns][rows].
  template <class T>
  std::string turned(const std::string& name, int columns, int rows, const T* values);

  // The first rows of the table, as many as there are positions.
  std::string first_rows(const std::string& table, const std::string& name);
  // [batch][length][heads * width] to [batch][heads][length][width]; the inverse of it.
  std::string by_head(const std::string& x, int heads, int width, const std::string& name);
  std::string by_position(const std::string& x, int columns, const std::string& name);
  // softmax of q k^T / sqrt(head_width) over the keys up to each query, q and k by head.
  std::string probabilities(const std::string& prefix, const std::string& q, const std::string& k);
  // GELU in its tanh form; the operator of that name is newer than operator set 17.
  std::string gelu(const std::string& prefix, const std::string& x);

 private:
  std::string length_, mask_, scale_, cubic_, slope_, one_, half_;
};

template <class T>
std::string OnnxParts::turned(const std::string& name, int columns, int rows, const T* values) {
  std::vector<T> result;
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column)
      result.push_back(values[static_cast<std::size_t>(column) * static_cast<std::size_t>(rows) +
                              static_cast<std::size_t>(row)]);
  return model.constant(name, {rows, columns}, std::span<const T>(result));
}

}  // namespace paretoformer::nas
