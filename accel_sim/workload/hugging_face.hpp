// Networks as Hugging Face's config.json describes them.
#pragma once

#include "accel_sim/workload/listed_network.hpp"
#include "accel_sim/workload/transformer.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::accel_sim {

// Whether a document is such a file: it has a "model_type".
bool is_hugging_face(const Json& json);

// Of the model_types bert, roberta, distilbert, gpt2, opt, llama, mistral and qwen2. Encoders are
// the bare model (BertModel, with its pooler), decoders have their language-model head. Absent
// flags are what transformers 4.44 takes for them; sizes must be there. Keys that change no cost
// are left alone. Throws InputError, also for what is not priced: cross-attention, relative
// positions, pruned heads.
Transformer transformer_from_hugging_face(const JsonNode& node);

ListedNetwork listed(const Transformer& network);

}  // namespace paretoformer::accel_sim
