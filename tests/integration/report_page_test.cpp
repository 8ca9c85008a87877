// report.html in a real browser: Chromium without a window, if there is one.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSeconds = "60";  // after which a browser that hangs is killed

std::string browser() {
  for (const char* name :
       {"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"})
    if (std::system((std::string("command -v ") + name + " >/dev/null").c_str()) == 0) return name;
  return "";
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
    ++count;
  return count;
}

// What stands between two marks.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t begin = text.find(from);
  if (begin == std::string::npos) return "(no " + from + ")";
  const std::size_t start = begin + from.size();
  return text.substr(start, text.find(to, start) - start);
}

// One run for all tests.
class ReportPage : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (browser().empty()) return;
    box_ = new Sandbox;
    write(*box_ / "config.json", tiny_config().dump());
    const Result search = box_->run({"search", "config.json", "--quiet"});
    ASSERT_EQ(search.status, 0) << search.err;
    front_ = parse(content(*box_ / "run/front.json"));
    ASSERT_GE(front_["front"].size(), 3u);
  }
  static void TearDownTestSuite() {
    delete box_;
    box_ = nullptr;
  }
  void SetUp() override {
    if (browser().empty())
      GTEST_SKIP() << "there is no Chromium: apt-get install chromium-headless-shell";
  }

  // Runs the browser on a file of the sandbox; returns its standard output.
  static std::string browse(const std::string& page, const std::string& options) {
    const fs::path out = *box_ / "out", err = *box_ / "err";
    const std::string command = std::string("HOME=") + box_->path().string() + " timeout -k 5 " +
                                kSeconds + " " + browser() +
                                " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
                                " --hide-scrollbars --window-size=1300,1000"
                                " --virtual-time-budget=4000 " +
                                options + " 'file://" + box_->path().string() + "/" + page + "' >" +
                                out.string() + " 2>" + err.string();
    EXPECT_EQ(std::system(command.c_str()), 0) << content(err);
    return content(out);
  }
  static std::string dom(const std::string& page) { return browse(page, "--dump-dom"); }

  // The report with another script behind its own.
  static std::string with_script(const std::string& script) {
    std::string page = content(*box_ / "run/report.html");
    page.insert(page.rfind("</body>"), "<pre id=\"result\"></pre><script>" + script + "</script>");
    write(*box_ / "scripted.html", page);
    return "scripted.html";
  }

  static std::string id(std::size_t member) { return front_["front"][member]["id"]; }

  static Sandbox* box_;
  static Json front_;
};
Sandbox* ReportPage::box_ = nullptr;
Json ReportPage::front_;

TEST_F(ReportPage, DrawsEveryNetworkWithoutAnError) {
  const std::string page = dom("run/report.html");
  EXPECT_EQ(between(page, "role=\"alert\"", "</p>"), " hidden=\"\">");
  EXPECT_THAT(page, HasSubstr("data-ready=\"true\""));
  EXPECT_THAT(page, HasSubstr("Search over tiny"));
  const std::size_t members = front_["front"].size(), dropped = front_["dropped"].size();
  EXPECT_EQ(count_of(page, "class=\"member\" fill"), members);
  EXPECT_EQ(count_of(page, "class=\"dropped\" fill"), dropped);
  EXPECT_EQ(count_of(page, "class=\"dot\" fill"), front_["evaluations"].get<std::size_t>());
  // One axis to the right, one upwards, of each chart; those of other objectives are hidden.
  const std::string chart = between(page, "id=\"chart\"", "</div>");
  EXPECT_EQ(count_of(chart, "<g data-for=\"x "), 7u + 4u);
  EXPECT_EQ(count_of(chart, "<g data-for=\"y "), 7u);
  EXPECT_EQ(count_of(chart, "style=\"display: none;\""), 6u + 6u + 3u);
  EXPECT_EQ(count_of(page, "<tr data-id"), members + dropped);
  // Hypervolume; the largest, random and smallest networks; the gaps of five to the largest.
  EXPECT_EQ(count_of(page, "<polyline class=\"curve-line\""), 1u + 3u + 5u);
  EXPECT_EQ(page.find("NaN"), std::string::npos);
  EXPECT_EQ(page.find("undefined"), std::string::npos);
  // The knee is shown at first.
  EXPECT_EQ(between(page, "id=\"chosen-id\">", "<"), front_["knee"].get<std::string>());
  EXPECT_THAT(page, HasSubstr("predicted energy off by"));
}

TEST_F(ReportPage, AnAddressNamesAMember) {
  const std::size_t last = front_["front"].size() - 1;
  const std::string page = dom("run/report.html#" + id(last));
  EXPECT_EQ(between(page, "id=\"chosen-id\">", "<"), id(last));
  const Json& network = front_["front"][last]["architecture"];
  const std::string detail = between(page, "id=\"detail\"", "</section>");
  EXPECT_THAT(detail, HasSubstr("class=\"number\">" + network["model_width"].dump() + "</text>"));
  // Twelve operators per layer and three outside.
  EXPECT_EQ(count_of(detail, "class=\"operator\""), 12 * network["layers"].size() + 3);
  for (const char* role : {"attention.qkv", "ffn.up", "language_model_head"})
    EXPECT_THAT(detail, HasSubstr(std::string("<td>") + role + "</td>"));
  EXPECT_EQ(count_of(page, "class=\"chosen-row\""), 1u);
}

TEST_F(ReportPage, PointerKeyboardAndAxes) {
  const std::string page = dom(with_script(R"(
    const chart = document.getElementById('chart');
    const circles = () => [...chart.querySelectorAll('circle.member')]
      .sort((a, b) => b.getAttribute('cx') - a.getAttribute('cx'));  // from the right
    const at = (circle) => {
      const box = circle.getBoundingClientRect();
      return {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true};
    };
    const chosen = () => document.getElementById('chosen-id').textContent;
    const tip = document.getElementById('tooltip');
    const result = {hiddenBefore: tip.hidden};
    const target = circles()[0];
    chart.dispatchEvent(new PointerEvent('pointermove', at(target)));
    result.tip = tip.hidden ? '' : tip.textContent;
    chart.dispatchEvent(new MouseEvent('click', at(target)));
    result.pointed = target.dataset.id;
    result.clicked = chosen();
    result.hash = location.hash;
    chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}));
    result.next = chosen();
    chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
    result.back = chosen();
    chart.dispatchEvent(new PointerEvent('pointerleave'));
    result.hiddenAfter = tip.hidden;
    const change = (id, value) => {
      const select = document.getElementById(id);
      select.value = value;
      select.dispatchEvent(new Event('change'));
      return at(circles()[1]);
    };
    const before = at(circles()[1]);
    result.otherValues = change('values', 'seen').clientX !== before.clientX;
    change('values', 'confirmed');
    result.otherAxis = change('axis-x', '1').clientX !== before.clientX;
    const shown = () => [...chart.querySelectorAll('[data-for]')]
      .filter((group) => group.getBoundingClientRect().width > 0).map((group) => group.dataset.for);
    result.shown = shown();
    change('axis-x', '0');
    change('axis-y', '3');
    change('values', 'seen');
    result.swapped = shown();
    // A staircase goes through the members, whatever the axes.
    const corners = [...chart.querySelectorAll('.stairs')]
      .find((each) => each.getBoundingClientRect().width > 0).points;
    result.onStairs = circles().every((circle) => [...corners].some((corner) =>
      Math.hypot(corner.x - circle.getAttribute('cx'), corner.y - circle.getAttribute('cy')) < 0.1));
    const curve = document.querySelector('#training-card polyline').getBoundingClientRect();
    document.querySelector('#training-card .plot').dispatchEvent(
      new PointerEvent('pointermove', {clientX: curve.right, clientY: curve.top, bubbles: true}));
    result.read = [...document.querySelectorAll('#training-card output')].map((each) => each.textContent);
    document.querySelectorAll('#operators button')[1].click();
    result.energy = document.querySelector('#operators svg').getAttribute('aria-label');
    document.getElementById('result').textContent = JSON.stringify(result);
  )"));
  EXPECT_EQ(between(page, "role=\"alert\"", "</p>"), " hidden=\"\">");
  const Json result = parse(between(page, "<pre id=\"result\">", "</pre>"));
  EXPECT_EQ(result["hiddenBefore"], true);
  EXPECT_THAT(result["tip"].get<std::string>(), HasSubstr(result["pointed"].get<std::string>()));
  EXPECT_THAT(result["tip"].get<std::string>(), HasSubstr("heads "));
  EXPECT_THAT(result["tip"].get<std::string>(), HasSubstr("perplexity"));
  EXPECT_EQ(result["clicked"], result["pointed"]);
  EXPECT_EQ(result["hash"], "#" + result["pointed"].get<std::string>());
  EXPECT_NE(result["next"], result["clicked"]);
  EXPECT_EQ(result["back"], result["clicked"]);
  EXPECT_EQ(result["hiddenAfter"], true);
  EXPECT_EQ(result["otherValues"], true);
  EXPECT_EQ(result["otherAxis"], true);
  // Latency is none of the run's objectives: there is no staircase.
  EXPECT_EQ(result["shown"], (Json{"y perplexity", "x latency"}));
  EXPECT_EQ(result["swapped"], (Json{"x perplexity", "y edp", "x perplexity y edp seen"}));
  EXPECT_EQ(result["onStairs"], true);
  ASSERT_EQ(result["read"].size(), 3u);
  for (const Json& loss : result["read"]) EXPECT_GT(std::stod(loss.get<std::string>()), 0);
  EXPECT_EQ(result["energy"], "energy per layer and operator");
}

// The same numbers as in front.json, in the members' table and of the network that is shown.
TEST_F(ReportPage, OfATextOfWordsPerplexitiesAreAlsoPerWordAndByte) {
  EXPECT_EQ(dom("run/report.html").find(">per word<"), std::string::npos);
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "word" + std::to_string(i % 97) + (i % 9 ? " " : "\n");
  write(*box_ / "text", text);
  Json config = tiny_config();
  config["corpus"] = {{"train", "text"}, {"validation", "text"}, {"vocabulary", 330}};
  config["training"]["steps"] = 60;
  write(*box_ / "words.json", config.dump());
  const Result search = box_->run({"search", "words.json", "--quiet", "--run", "words"});
  ASSERT_EQ(search.status, 0) << search.err;
  const Json front = parse(content(*box_ / "words/front.json"));
  const std::string page = dom("words/report.html");
  EXPECT_EQ(between(page, "role=\"alert\"", "</p>"), " hidden=\"\">");
  EXPECT_THAT(page, HasSubstr("<th>perplexity</th><th>per word</th><th>bits per byte</th>"));
  EXPECT_THAT(between(page, "id=\"detail\"", "</section>"), HasSubstr("<td>bits per byte</td>"));
  const Json& own = front["front"][0]["confirmed"];
  const std::string row = between(page, "<table id=\"members\">", "</table>");
  const auto cell = [&row](std::size_t column) {
    std::string rest = between(row, "<tbody>", "</tr>");
    for (std::size_t i = 0; i < column; ++i) rest.erase(0, rest.find("<td") + 3);
    return std::stod(between(rest, ">", "<"));
  };
  EXPECT_NEAR(cell(2), own["perplexity"].get<double>(), 1e-3);
  EXPECT_NEAR(cell(3), own["perplexity_per_word"].get<double>(), 2e-2);
  EXPECT_NEAR(cell(4), own["bits_per_byte"].get<double>(), 1e-4);
}

TEST_F(ReportPage, AFailingScriptIsSaid) {
  const std::string page = dom(with_script("null.value;"));
  EXPECT_THAT(between(page, "role=\"alert\"", "</p>"), HasSubstr("script failed"));
}

TEST_F(ReportPage, APictureOfItIsNotBlank) {
  write(*box_ / "blank.html", "<!doctype html><title>blank</title>");
  const auto picture = [&](const std::string& page, const std::string& name) {
    browse(page, "--screenshot=" + (*box_ / name).string());
    return fs::exists(*box_ / name) ? fs::file_size(*box_ / name) : 0;
  };
  const std::uintmax_t blank = picture("blank.html", "blank.png");
  EXPECT_GT(blank, 0u);
  EXPECT_GT(picture("run/report.html", "report.png"), 8 * blank);
}

}  // namespace
}  // namespace paretoformer::integration
