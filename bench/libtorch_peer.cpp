#include "libtorch_peer.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "supernet/kernels/kernels.hpp"

namespace paretoformer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kQueryBlock = 128;
constexpr std::int64_t kOptimizerGrain = 16384;  // parameters per task
// As in the project's kernels.
constexpr double kNormEpsilon = 1e-5;
constexpr double kAdamEpsilon = 1e-8;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Shape {
  std::int64_t sequences, length, heads, width;  // width of one head
};

// Where one head's blocks of probabilities lie in memory: block i holds the queries
// [i * kQueryBlock, ...) and the keys up to the last of them, contiguous.
struct Block {
  std::int64_t first, queries, keys, offset;
};
std::vector<Block> causal_blocks(std::int64_t length) {
  std::vector<Block> blocks;
  std::int64_t offset = 0;
  for (std::int64_t first = 0; first < length; first += kQueryBlock) {
    const std::int64_t queries = std::min(kQueryBlock, length - first);
    blocks.push_back({first, queries, first + queries, offset});
    offset += queries * (first + queries);
  }
  return blocks;
}
std::int64_t total(const std::vector<Block>& blocks) {
  return blocks.back().offset + blocks.back().queries * blocks.back().keys;
}

struct HeadViews {
  torch::Tensor q, k, v;  // [length][width]
};
HeadViews views(const torch::Tensor& qkv, std::int64_t sequence, std::int64_t head) {
  const torch::Tensor rows = qkv.select(0, sequence).select(1, head);  // [length][3][width]
  return {rows.select(1, 0), rows.select(1, 1), rows.select(1, 2)};
}

// Causal attention over all heads of all sequences. Written by hand because it is what
// libtorch 1.13 does worst: a batched product without MKL is a loop of small threaded products,
// heads have to be copied apart and together, and the masked half is computed as well. Here every
// thread takes whole heads, works on views, stays in its cache and skips the masked blocks.
struct Attention : torch::autograd::Function<Attention> {
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& rows,
                               const torch::Tensor& mask, const Shape& s) {
    const torch::Tensor qkv = rows.view({s.sequences, s.length, s.heads, 3, s.width});
    const torch::Tensor out =
        torch::empty({s.sequences, s.length, s.heads, s.width}, rows.options());
    const std::vector<Block> blocks = causal_blocks(s.length);
    const bool keep = rows.requires_grad();  // otherwise threads reuse one head's memory
    const torch::Tensor probabilities = torch::empty(
        {keep ? s.sequences * s.heads : at::get_num_threads(), total(blocks)}, rows.options());
    const double scale = 1 / std::sqrt(static_cast<double>(s.width));
    at::parallel_for(0, s.sequences * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      const at::AutoDispatchBelowADInplaceOrView below;
      for (std::int64_t i = begin; i < end; ++i) {
        const HeadViews head = views(qkv, i / s.heads, i % s.heads);
        const torch::Tensor target = out.select(0, i / s.heads).select(1, i % s.heads);
        const torch::Tensor mine = probabilities.select(0, keep ? i : at::get_thread_num());
        for (const Block& b : blocks) {
          torch::Tensor p = mine.narrow(0, b.offset, b.queries * b.keys).view({b.queries, b.keys});
          at::addmm_out(p, mask.narrow(0, b.first, b.queries).narrow(1, 0, b.keys),
                        head.q.narrow(0, b.first, b.queries), head.k.narrow(0, 0, b.keys).t(), 1,
                        scale);
          at::_softmax_out(p, p, -1, false);
          torch::Tensor o = target.narrow(0, b.first, b.queries);
          at::mm_out(o, p, head.v.narrow(0, 0, b.keys));
        }
      }
    });
    if (ctx) {
      ctx->save_for_backward({rows, probabilities});
      for (const auto& [key, value] :
           {std::pair<const char*, std::int64_t>{"sequences", s.sequences},
            {"length", s.length},
            {"heads", s.heads},
            {"width", s.width}})
        ctx->saved_data[key] = value;
    }
    return out.view({s.sequences * s.length, s.heads * s.width});
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Shape s{ctx->saved_data["sequences"].toInt(), ctx->saved_data["length"].toInt(),
                  ctx->saved_data["heads"].toInt(), ctx->saved_data["width"].toInt()};
    const torch::Tensor qkv = saved[0].view({s.sequences, s.length, s.heads, 3, s.width});
    const torch::Tensor d_qkv = torch::empty_like(qkv);
    const torch::Tensor d_out =
        gradients[0].contiguous().view({s.sequences, s.length, s.heads, s.width});
    const std::vector<Block> blocks = causal_blocks(s.length);
    const double scale = 1 / std::sqrt(static_cast<double>(s.width));
    at::parallel_for(0, s.sequences * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      const at::AutoDispatchBelowADInplaceOrView below;
      const torch::Tensor scratch =
          torch::empty({blocks.back().queries * blocks.back().keys}, qkv.options());
      for (std::int64_t i = begin; i < end; ++i) {
        const HeadViews head = views(qkv, i / s.heads, i % s.heads);
        const HeadViews d_head = views(d_qkv, i / s.heads, i % s.heads);
        const torch::Tensor d_mine = d_out.select(0, i / s.heads).select(1, i % s.heads);
        const torch::Tensor mine = saved[1].select(0, i);
        // The last block sees all keys: it writes, the others add.
        for (std::size_t j = blocks.size(); j-- > 0;) {
          const Block& b = blocks[j];
          const double add = j + 1 == blocks.size() ? 0 : 1;
          const torch::Tensor p =
              mine.narrow(0, b.offset, b.queries * b.keys).view({b.queries, b.keys});
          const torch::Tensor d_o = d_mine.narrow(0, b.first, b.queries);
          const torch::Tensor q = head.q.narrow(0, b.first, b.queries);
          torch::Tensor d_p = scratch.narrow(0, 0, b.queries * b.keys).view({b.queries, b.keys});
          torch::Tensor d_q = d_head.q.narrow(0, b.first, b.queries);
          torch::Tensor d_k = d_head.k.narrow(0, 0, b.keys);
          torch::Tensor d_v = d_head.v.narrow(0, 0, b.keys);
          at::mm_out(d_p, d_o, head.v.narrow(0, 0, b.keys).t());
          at::addmm_out(d_v, d_v, p.t(), d_o, add, 1);
          at::_softmax_backward_data_out(d_p, d_p, p, -1, torch::kFloat);
          at::addmm_out(d_q, d_q, d_p, head.k.narrow(0, 0, b.keys), 0, scale);
          at::addmm_out(d_k, d_k, d_p.t(), q, add, scale);
        }
      }
    });
    return {d_qkv.view({s.sequences * s.length, 3 * s.heads * s.width}), {}, {}};
  }
};

}  // namespace

void configure_libtorch(int threads) {
  at::set_num_threads(threads);  // OpenBLAS's as well, when it is the build for OpenMP
  at::globalContext().setFlushDenormal(true);
}

std::string describe_libtorch() {
  std::string text = "libtorch " TORCH_VERSION;
  text += ", " + std::to_string(at::get_num_threads()) + " threads";
  const std::string config = at::show_config();
  const std::string key = "CPU capability usage: ";
  if (const std::size_t found = config.find(key); found != std::string::npos) {
    const std::size_t begin = found + key.size();
    text += ", " + config.substr(begin, config.find('\n', begin) - begin);
  }
  // OpenBLAS says which kernels it chose; with another BLAS the symbol is absent.
  if (void* const name = dlsym(RTLD_DEFAULT, "openblas_get_config"))
    text += std::string(", ") + reinterpret_cast<const char* (*)()>(name)();
  return text;
}

struct LibtorchPeer::State {
  const ParameterLayout& layout;
  TrainingConfig config;
  std::vector<torch::Tensor> parameters, m, v;
  std::unordered_map<std::string, torch::Tensor> by_name;
  torch::Tensor mask;
  std::int64_t step = 0;
  Breakdown breakdown;

  const torch::Tensor& operator()(const std::string& name) const { return by_name.at(name); }
  torch::Tensor forward(const Batch& batch) const;
  double update();
};

torch::Tensor LibtorchPeer::State::forward(const Batch& batch) const {
  const Architecture& network = layout.largest();
  const std::int64_t d = network.model_width;
  const auto index = [&](const std::int32_t* values) {
    return torch::from_blob(const_cast<std::int32_t*>(values), {batch.rows()}, torch::kInt32)
        .to(torch::kInt64);
  };
  const auto norm = [&](const torch::Tensor& x, const std::string& name) {
    return at::layer_norm(x, {d}, (*this)(name + ".weight"), (*this)(name + ".bias"), kNormEpsilon);
  };
  const auto linear = [&](const torch::Tensor& x, const std::string& name) {
    return at::linear(x, (*this)(name + ".weight"), (*this)(name + ".bias"));
  };
  // Bias and residual in one pass, onto which the product adds.
  const auto residual = [&](const torch::Tensor& x, const torch::Tensor& y,
                            const std::string& name) {
    return at::add(x, (*this)(name + ".bias")).addmm_(y, (*this)(name + ".weight").t());
  };
  const torch::Tensor& embedding = (*this)("token_embedding.weight");
  torch::Tensor x = at::embedding(embedding, index(batch.tokens));
  x = x.view({batch.sequences, batch.length, d})
          .add_((*this)("position_embedding.weight"))
          .view({batch.rows(), d});
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const std::string prefix = "layers." + std::to_string(l) + ".";
    const Shape shape{batch.sequences, batch.length, network.layers[l].heads, network.head_width};
    const torch::Tensor qkv = linear(norm(x, prefix + "attention.norm"), prefix + "attention.qkv");
    const torch::Tensor attended = Attention::apply(qkv, mask, shape);
    x = residual(x, attended, prefix + "attention.output");
    const torch::Tensor up = linear(norm(x, prefix + "ffn.norm"), prefix + "ffn.up");
    x = residual(x, at::gelu(up, "tanh"), prefix + "ffn.down");
  }
  const torch::Tensor logits = at::mm(norm(x, "final_norm"), embedding.t());
  return at::cross_entropy_loss(logits, index(batch.targets));
}

// The project's own loop of AdamW in libtorch's threads: torch::optim::AdamW makes some ten passes
// over the memory, and takes three times as long. Gradients are released, not cleared, so that the
// next backward pass writes them instead of adding.
double LibtorchPeer::State::update() {
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& p : parameters) gradients.push_back(p.grad());
  const double norm =
      at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients))).item<double>();
  AdamW update{};
  update.learning_rate = learning_rate_at(config, step);
  update.beta1 = config.beta1;
  update.beta2 = config.beta2;
  update.epsilon = kAdamEpsilon;
  update.gradient_scale = std::min(1.0, config.clip_norm / norm);
  ++step;
  update.correction1 = 1 - std::pow(config.beta1, static_cast<double>(step));
  update.correction2 = 1 - std::pow(config.beta2, static_cast<double>(step));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    update.weight_decay = parameters[i].dim() == 2 ? config.weight_decay : 0;
    const float* g = gradients[i].data_ptr<float>();
    float* p = parameters[i].data_ptr<float>();
    float* first = m[i].data_ptr<float>();
    float* second = v[i].data_ptr<float>();
    at::parallel_for(0, parameters[i].numel(), kOptimizerGrain,
                     [&](std::int64_t begin, std::int64_t end) {
                       paretoformer::adamw(static_cast<std::size_t>(end - begin), update, g + begin,
                                           p + begin, first + begin, second + begin);
                     });
    parameters[i].mutable_grad().reset();
  }
  return norm;
}

LibtorchPeer::LibtorchPeer(const ParameterLayout& layout, const TrainingConfig& config,
                           const std::vector<float>& parameters)
    : state_(new State{layout, config, {}, {}, {}, {}, {}, 0, {}}) {
  for (const Tensor& tensor : layout.tensors()) {
    torch::Tensor copy =
        torch::from_blob(const_cast<float*>(parameters.data()) + tensor.offset,
                         tensor.rows == 1 ? std::vector<std::int64_t>{tensor.columns}
                                          : std::vector<std::int64_t>{tensor.rows, tensor.columns})
            .clone()
            .requires_grad_();
    state_->parameters.push_back(copy);
    state_->m.push_back(torch::zeros_like(copy).detach());
    state_->v.push_back(torch::zeros_like(copy).detach());
    state_->by_name.emplace(tensor.name, copy);
  }
  const std::int64_t length = layout.context();
  state_->mask = torch::full({length, length}, -INFINITY).triu(1);
}

LibtorchPeer::~LibtorchPeer() = default;

LibtorchPeer::Step LibtorchPeer::train(const Batch& batch) {
  const double begin = seconds();
  const torch::Tensor loss = state_->forward(batch);
  const double forward = seconds();
  loss.backward();
  const double backward = seconds();
  const double norm = state_->update();
  state_->breakdown.forward += forward - begin;
  state_->breakdown.backward += backward - forward;
  state_->breakdown.optimizer += seconds() - backward;
  return {loss.item<double>(), norm};
}

double LibtorchPeer::loss(const Batch& batch) {
  const c10::InferenceMode inference;
  return state_->forward(batch).item<double>();
}

const LibtorchPeer::Breakdown& LibtorchPeer::breakdown() const { return state_->breakdown; }

}  // namespace paretoformer
