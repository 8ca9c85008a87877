// Trained weights of one network, from files of this program or of a GPT-2.
#pragma once

#include <filesystem>
#include <vector>

#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

// The weights of layout.largest() in the arena of `layout`, which is that of one network. The file
// is one of save_network(), or the checkpoint of a supernet with this largest network, or has the
// names and shapes of a GPT-2 as Hugging Face's transformers writes them (modeling_gpt2.py; with or
// without "transformer." before them):
//
//   wte.weight [vocabulary][d], wpe.weight [positions][d], ln_f.{weight,bias} [d], and of layer N
//   h.N.ln_1, h.N.ln_2                .weight, .bias [d]
//   h.N.attn.c_attn   .weight [d][3 d], .bias: columns q of all heads, then k, then v
//   h.N.attn.c_proj   .weight [d][d],   .bias
//   h.N.mlp.c_fc      .weight [d][ffn_width], .bias
//   h.N.mlp.c_proj    .weight [ffn_width][d], .bias
//
// whose matrices are [in][out], the transpose of ours; others (masks, a tied lm_head) are not read.
// Of more positions than `layout` has the first are taken. Throws InputError naming the file, and
// what does not fit: another network, vocabulary or too few positions.
std::vector<float> read_trained_weights(const std::filesystem::path& path,
                                        const ParameterLayout& layout);

}  // namespace paretoformer::supernet
