// The model of supernet/model/network.hpp written down as plainly as possible, in double: what the
// fused engine is compared with. Nothing is shared with it but the layout of the parameters, and
// which values dropout keeps.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet::reference {

// Rows of equal width.
struct Table {
  Table(int rows_, int columns_)
      : rows(rows_), columns(columns_), values(static_cast<std::size_t>(rows_ * columns_)) {}
  double& operator()(int r, int c) { return values[static_cast<std::size_t>(r * columns + c)]; }
  double operator()(int r, int c) const {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
  int rows, columns;
  std::vector<double> values;
};

// The first rows and columns of a matrix in the arena, with its gradient.
struct Weight {
  const double* w;
  double* g;
  int stride;
};

// y = x W^T + b, W [out][in]
inline Table linear(const Table& x, int out, Weight w, const double* b) {
  Table y(x.rows, out);
  for (int r = 0; r < x.rows; ++r)
    for (int o = 0; o < out; ++o) {
      double sum = b ? b[o] : 0;
      for (int i = 0; i < x.columns; ++i) sum += x(r, i) * w.w[o * w.stride + i];
      y(r, o) = sum;
    }
  return y;
}

// Returns dx; adds to the gradients of W and b.
inline Table linear_backward(const Table& dy, const Table& x, Weight w, double* db) {
  Table dx(x.rows, x.columns);
  for (int r = 0; r < dy.rows; ++r)
    for (int o = 0; o < dy.columns; ++o) {
      if (db) db[o] += dy(r, o);
      for (int i = 0; i < x.columns; ++i) {
        dx(r, i) += dy(r, o) * w.w[o * w.stride + i];
        w.g[o * w.stride + i] += dy(r, o) * x(r, i);
      }
    }
  return dx;
}

inline double mean(const Table& x, int r) {
  double sum = 0;
  for (int i = 0; i < x.columns; ++i) sum += x(r, i);
  return sum / x.columns;
}

inline double deviation(const Table& x, int r) {
  const double m = mean(x, r);
  double sum = 0;
  for (int i = 0; i < x.columns; ++i) sum += (x(r, i) - m) * (x(r, i) - m);
  return std::sqrt(sum / x.columns + 1e-5);
}

inline Table layer_norm(const Table& x, const double* gain, const double* bias) {
  Table y(x.rows, x.columns);
  for (int r = 0; r < x.rows; ++r)
    for (int i = 0; i < x.columns; ++i)
      y(r, i) = (x(r, i) - mean(x, r)) / deviation(x, r) * gain[i] + bias[i];
  return y;
}

// dx_i = (t_i - mean(t) - n_i mean(t n)) / s for t = dy gain and n the normalised row.
inline Table layer_norm_backward(const Table& dy, const Table& x, const double* gain,
                                 double* d_gain, double* d_bias) {
  Table dx(x.rows, x.columns);
  for (int r = 0; r < x.rows; ++r) {
    const double m = mean(x, r);
    const double s = deviation(x, r);
    double t_mean = 0;
    double tn_mean = 0;
    for (int i = 0; i < x.columns; ++i) {
      const double n = (x(r, i) - m) / s;
      t_mean += dy(r, i) * gain[i] / x.columns;
      tn_mean += dy(r, i) * gain[i] * n / x.columns;
      d_gain[i] += dy(r, i) * n;
      d_bias[i] += dy(r, i);
    }
    for (int i = 0; i < x.columns; ++i)
      dx(r, i) = (dy(r, i) * gain[i] - t_mean - (x(r, i) - m) / s * tn_mean) / s;
  }
  return dx;
}

constexpr double kRoot2OverPi = 0.79788456080286535588;  // sqrt(2 / pi)

inline double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(kRoot2OverPi * (x + 0.044715 * x * x * x)));
}
inline double gelu_slope(double x) {
  const double t = std::tanh(kRoot2OverPi * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kRoot2OverPi * (1 + 3 * 0.044715 * x * x);
}

inline void add(Table& a, const Table& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
}

// What dropout leaves of x, or of its gradient.
inline void drop(Table& x, const DropoutMask& mask) {
  if (!mask) return;
  for (int r = 0; r < x.rows; ++r)
    for (int i = 0; i < x.columns; ++i)
      x(r, i) *= keeps(dropout_row(mask, r), static_cast<std::uint32_t>(i)) ? mask.scale : 0;
}
inline Table dropped(Table x, const DropoutMask& mask) {
  drop(x, mask);
  return x;
}

// Attention probabilities of one head; q, k, v of head h are columns 3 h w, ... of qkv.
inline Table probabilities(const Table& qkv, int head, int w) {
  Table p(qkv.rows, qkv.rows);
  for (int i = 0; i < qkv.rows; ++i) {
    double sum = 0;
    for (int j = 0; j <= i; ++j) {
      double score = 0;
      for (int c = 0; c < w; ++c)
        score += qkv(i, 3 * head * w + c) * qkv(j, (3 * head + 1) * w + c);
      sum += p(i, j) = std::exp(score / std::sqrt(w));
    }
    for (int j = 0; j <= i; ++j) p(i, j) /= sum;
  }
  return p;
}

inline Table attention(const Table& qkv, int heads, int w) {
  Table y(qkv.rows, heads * w);
  for (int h = 0; h < heads; ++h) {
    const Table p = probabilities(qkv, h, w);
    for (int i = 0; i < qkv.rows; ++i)
      for (int j = 0; j <= i; ++j)
        for (int c = 0; c < w; ++c) y(i, h * w + c) += p(i, j) * qkv(j, (3 * h + 2) * w + c);
  }
  return y;
}

inline Table attention_backward(const Table& dy, const Table& qkv, int heads, int w) {
  Table d_qkv(qkv.rows, qkv.columns);
  for (int h = 0; h < heads; ++h) {
    const int q = 3 * h * w, k = q + w, v = k + w;
    const Table p = probabilities(qkv, h, w);
    for (int i = 0; i < qkv.rows; ++i) {
      std::vector<double> dp(static_cast<std::size_t>(i) + 1);
      double dot = 0;
      for (int j = 0; j <= i; ++j) {
        double& d = dp[static_cast<std::size_t>(j)];
        for (int c = 0; c < w; ++c) {
          d += dy(i, h * w + c) * qkv(j, v + c);
          d_qkv(j, v + c) += p(i, j) * dy(i, h * w + c);
        }
        dot += d * p(i, j);
      }
      for (int j = 0; j <= i; ++j) {
        const double ds = p(i, j) * (dp[static_cast<std::size_t>(j)] - dot) / std::sqrt(w);
        for (int c = 0; c < w; ++c) {
          d_qkv(i, q + c) += ds * qkv(j, k + c);
          d_qkv(j, k + c) += ds * qkv(i, q + c);
        }
      }
    }
  }
  return d_qkv;
}

// One sub-network's parameters and their gradients, by name of their place.
class Network {
 public:
  // `gradient` accumulates; both are laid out by `layout`.
  Network(const ParameterLayout& layout, const Architecture& network,
          const std::vector<double>& parameters, std::vector<double>& gradient)
      : layout_(layout), network_(network), p_(parameters.data()), g_(gradient.data()) {}

  // Next-token probabilities of one sequence. Keeps what backward() needs.
  Table forward(const std::int32_t* tokens, int length, const Dropout& dropout = {});
  // `d_logits` belongs to the last forward().
  void backward(const std::int32_t* tokens, const Table& d_logits);

 private:
  Weight weight(std::size_t offset, int stride) const { return {p_ + offset, g_ + offset, stride}; }

  struct Kept {
    Table input, norm1, qkv, attended, middle, norm2, up, gelu;
  };

  const ParameterLayout& layout_;
  const Architecture& network_;
  const double* p_;
  double* g_;
  std::vector<Kept> kept_;
  std::vector<Table> top_;  // output of the last layer, and its norm
  Dropout dropout_;
};

inline Table Network::forward(const std::int32_t* tokens, int length, const Dropout& dropout) {
  dropout_ = dropout;
  const int d = network_.model_width;
  const int stride = layout_.model_width();
  const std::size_t norm = layout_.norm_row(network_);
  const std::size_t final_norm = layout_.final_norm_row(network_);
  Table x(length, d);
  for (int t = 0; t < length; ++t)
    for (int i = 0; i < d; ++i)
      x(t, i) = p_[layout_.token_embedding + static_cast<std::size_t>(tokens[t] * stride + i)] +
                p_[layout_.position_embedding + static_cast<std::size_t>(t * stride + i)];
  drop(x, dropout.mask(DropoutSite::embedding, 0));
  kept_.clear();
  for (std::size_t l = 0; l < network_.layers.size(); ++l) {
    const LayerOffsets& o = layout_.layer(static_cast<int>(l));
    const int a = network_.layers[l].heads * network_.head_width;
    Table norm1 = layer_norm(x, p_ + norm + o.norm1_gain, p_ + norm + o.norm1_bias);
    Table qkv = linear(norm1, 3 * a, weight(o.qkv, stride), p_ + o.qkv_bias);
    Table attended = attention(qkv, network_.layers[l].heads, network_.head_width);
    Table middle = linear(attended, d, weight(o.output, o.attention_width), p_ + o.output_bias);
    drop(middle, dropout.mask(DropoutSite::attention, l));
    add(middle, x);
    Table norm2 = layer_norm(middle, p_ + norm + o.norm2_gain, p_ + norm + o.norm2_bias);
    Table up = linear(norm2, network_.layers[l].ffn_width, weight(o.up, stride), p_ + o.up_bias);
    Table act = up;
    for (double& value : act.values) value = gelu(value);
    Table y = linear(act, d, weight(o.down, o.ffn_width), p_ + o.down_bias);
    drop(y, dropout.mask(DropoutSite::ffn, l));
    add(y, middle);
    kept_.push_back({x, norm1, qkv, attended, middle, norm2, up, act});
    x = y;
  }
  top_ = {
      x, layer_norm(x, p_ + final_norm + layout_.final_gain, p_ + final_norm + layout_.final_bias)};
  Table p = linear(top_[1], network_.vocabulary, weight(layout_.token_embedding, stride), nullptr);
  for (int t = 0; t < length; ++t) {
    double sum = 0;
    for (int j = 0; j < p.columns; ++j) sum += p(t, j) = std::exp(p(t, j));
    for (int j = 0; j < p.columns; ++j) p(t, j) /= sum;
  }
  return p;
}

inline void Network::backward(const std::int32_t* tokens, const Table& d_logits) {
  const int d = network_.model_width;
  const int stride = layout_.model_width();
  const std::size_t norm = layout_.norm_row(network_);
  const std::size_t final_norm = layout_.final_norm_row(network_);
  Table dx = layer_norm_backward(
      linear_backward(d_logits, top_[1], weight(layout_.token_embedding, stride), nullptr), top_[0],
      p_ + final_norm + layout_.final_gain, g_ + final_norm + layout_.final_gain,
      g_ + final_norm + layout_.final_bias);
  for (std::size_t l = network_.layers.size(); l-- > 0;) {
    const LayerOffsets& o = layout_.layer(static_cast<int>(l));
    const Kept& k = kept_[l];
    Table d_up = linear_backward(dropped(dx, dropout_.mask(DropoutSite::ffn, l)), k.gelu,
                                 weight(o.down, o.ffn_width), g_ + o.down_bias);
    for (std::size_t i = 0; i < d_up.values.size(); ++i)
      d_up.values[i] *= gelu_slope(k.up.values[i]);
    add(dx, layer_norm_backward(
                linear_backward(d_up, k.norm2, weight(o.up, stride), g_ + o.up_bias), k.middle,
                p_ + norm + o.norm2_gain, g_ + norm + o.norm2_gain, g_ + norm + o.norm2_bias));
    const Table d_attended =
        linear_backward(dropped(dx, dropout_.mask(DropoutSite::attention, l)), k.attended,
                        weight(o.output, o.attention_width), g_ + o.output_bias);
    const Table d_qkv =
        attention_backward(d_attended, k.qkv, network_.layers[l].heads, network_.head_width);
    add(dx, layer_norm_backward(
                linear_backward(d_qkv, k.norm1, weight(o.qkv, stride), g_ + o.qkv_bias), k.input,
                p_ + norm + o.norm1_gain, g_ + norm + o.norm1_gain, g_ + norm + o.norm1_bias));
  }
  drop(dx, dropout_.mask(DropoutSite::embedding, 0));
  for (int t = 0; t < dx.rows; ++t)
    for (int i = 0; i < d; ++i) {
      g_[layout_.token_embedding + static_cast<std::size_t>(tokens[t] * stride + i)] += dx(t, i);
      g_[layout_.position_embedding + static_cast<std::size_t>(t * stride + i)] += dx(t, i);
    }
}

// The sandwich rule: losses of the networks (nats per token), and the sum of their gradients. All
// but the first learn to the share `soft` from the first's probabilities of the one batch; without
// it each has its part of the batch.
inline std::vector<double> sandwich_gradients(const ParameterLayout& layout,
                                              const std::vector<double>& parameters,
                                              const std::vector<Architecture>& networks,
                                              const Batch& batch, double soft,
                                              std::vector<double>& gradient) {
  gradient.assign(parameters.size(), 0);
  std::vector<Table> teacher;
  std::vector<double> losses;
  const int sequences = batch.sequences / (soft > 0 ? 1 : static_cast<int>(networks.size()));
  const int rows = sequences * batch.length;
  for (const Architecture& architecture : networks) {
    Network network(layout, architecture, parameters, gradient);
    double loss = 0;
    const int first = soft > 0 ? 0 : static_cast<int>(losses.size()) * rows;
    for (int s = 0; s < sequences; ++s) {
      const std::int32_t* tokens = batch.tokens + first + s * batch.length;
      const std::int32_t* targets = batch.targets + first + s * batch.length;
      const Table p = network.forward(
          tokens, batch.length, batch.dropout.of_network(losses.size()).from_row(s * batch.length));
      if (losses.empty()) teacher.push_back(p);
      const double share = losses.empty() ? 0 : soft;
      Table d_logits = p;
      for (int t = 0; t < batch.length; ++t) {
        loss -= std::log(p(t, targets[t])) / rows;
        d_logits(t, targets[t]) -= 1 - share;
        for (int j = 0; j < p.columns; ++j)
          d_logits(t, j) =
              (d_logits(t, j) - share * teacher[static_cast<std::size_t>(s)](t, j)) / rows;
      }
      network.backward(tokens, d_logits);
    }
    losses.push_back(loss);
  }
  return losses;
}

// AdamW (Loshchilov and Hutter 2019, algorithm 2) with decay of the matrices only, the gradient
// averaged over the networks and clipped to norm 1.
struct Optimiser {
  double beta1, beta2, weight_decay, clip_norm;
  int step = 0;
  std::vector<double> m, v;

  void apply(const ParameterLayout& layout, double learning_rate, double networks,
             const std::vector<double>& gradient, std::vector<double>& parameters) {
    ++step;
    m.resize(gradient.size());
    v.resize(gradient.size());
    double squares = 0;
    for (double g : gradient) squares += g * g / (networks * networks);
    const double scale = std::min(1.0, clip_norm / std::sqrt(squares)) / networks;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const double g = gradient[i] * scale;
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(beta1, step));
      const double v_hat = v[i] / (1 - std::pow(beta2, step));
      if (i < layout.matrix_size()) parameters[i] *= 1 - learning_rate * weight_decay;
      parameters[i] -= learning_rate * m_hat / (std::sqrt(v_hat) + 1e-8);
    }
  }
};

// Per tensor: the norm of the difference over the norm of the gradient, which counts every entry by
// its weight in a step.
inline void expect_close(const ParameterLayout& layout, const std::vector<double>& gradient,
                         const std::vector<double>& expected, double tolerance) {
  for (const Tensor& tensor : layout.tensors()) {
    double difference = 0;
    double norm = 0;
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size(); ++i) {
      difference += (gradient[i] - expected[i]) * (gradient[i] - expected[i]);
      norm += expected[i] * expected[i];
    }
    ASSERT_GT(norm, 0) << tensor.name;
    EXPECT_LT(std::sqrt(difference / norm), tolerance) << tensor.name;
  }
}

}  // namespace paretoformer::supernet::reference
