// A network as a folder in the layout of the Hugging Face Hub.
#pragma once

#include <string>

#include "nas/export/network_export.hpp"
#include "supernet/text/tokenizer.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// config.json: sizes under the names that transformers gives them, those of the first layer for the
// whole, and `per_layer_config` for what other layers have otherwise. No class of transformers
// builds such a network: it is a description.
Json huggingface_config(const Architecture& network, int context);

// tokenizer.json of the `tokenizers` library, which gives the tokens of Tokenizer::encode(); of
// bytes, too. Where one piece is the merge of two different pairs the library takes the pair that
// comes first in its list, SentencePiece the one that stands first in the text; that shows only
// where both overlap, in runs of one character.
Json huggingface_tokenizer(const supernet::Tokenizer& tokenizer);

// README.md: what the network is, its perplexities, what it costs on which hardware, where it comes
// from and how it is made again.
std::string model_card(const ExportedNetwork& network);

// Writes all of these beside `weights`, FOLDER/model.safetensors, with the tokeniser's model and
// the run's configuration, run_config.json.
void write_huggingface(const std::filesystem::path& weights, const ExportedNetwork& network);

}  // namespace paretoformer::nas
