// Links the room above all others, and SentencePiece behind it: learns a tokeniser, checks a
// configuration.
#include <cstdio>

#include "nas/run/config.hpp"
#include "supernet/text/corpus.hpp"

int main() {
  using namespace paretoformer;

  nas::RunConfig config = nas::load_run_config("quickstart", {"corpus.train_bytes=200000"});
  const supernet::Corpus corpus = supernet::load_corpus(config.corpus, {});
  std::printf("%zu tokens of a vocabulary of %d\n", corpus.train.size(),
              corpus.tokenizer.vocabulary_size());
  return corpus.train.empty() ? 1 : 0;
}
