// The embedded text: an artificial language that needs no file and knows its own probability.
//
// Documents have a topic, nested relative clauses, agreement over distance, thousands of lexical
// facts and quoted passages that return, so that width, depth, heads and FFN of a small
// Transformer each buy something. The language (lexicon, facts, probabilities) is fixed; a seed
// only selects the documents, so texts of different seeds are training and validation text of
// one language:
//
//   DOCUMENT := topic ":" QUOTE QUOTE SENTENCE {SENTENCE | QUOTE | ECHO} "\n"
//   QUOTE    := name "says:" CLAUSE "."        the speaker differs from the one before
//   ECHO     := "again" name ":" COPY "."      what one of the last two speakers said, repeated
//   SENTENCE := [adverb ","] (CLAUSE | pronoun PREDICATE) "."
//   CLAUSE   := NP PREDICATE
//   PREDICATE:= VP {"and" VP}
//   NP       := determiner noun [adjective] ["that" VP "," | "whom" NP verb ","]
//   VP       := verb [NP] [preposition determiner noun]
//
// The noun takes the number of its determiner, the verb the number and gender of its subject
// however far away, the pronoun those of the last subject. Nouns prefer verbs and adjectives, a
// noun with a verb prefers objects, a verb prefers a preposition, a topic prefers nouns and
// adverbs.
//
// The language is unambiguous: every random choice shows in the very next word, because the
// alternatives of a choice begin with different words, and every word belongs to one class with
// one meaning. Reading a text from left to right therefore recovers its one derivation, and the
// probability of a text is the product of the probabilities of its choices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace paretoformer::supernet {

struct GeneratedText {
  std::string text;             // lower-case ASCII; every document is one line
  double information_bits = 0;  // exact -log2 of the probability of `text` under the language
};

// Whole documents until there are at least `bytes` bytes. No model has, on average over seeds, a
// shorter code for the text than `information_bits`. The same text for the same seed on every
// machine.
GeneratedText generate_text(std::uint64_t seed, std::size_t bytes);

}  // namespace paretoformer::supernet
