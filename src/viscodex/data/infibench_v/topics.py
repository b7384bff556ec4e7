"""Which language and which category a question is of, by its tags and by its answer's code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from viscodex.core.infibench_v import Category
from viscodex.core.sample import Sample
from viscodex.data.qa.language import BY_TAG
from viscodex.runner.stage import Keep, Reject, Result

NAMES = {"html": "html/css", "css": "html/css", "cpp": "c++", "c": "c++", "jsx": "javascript", "scss": "html/css"}

TAGS: dict[Category, str] = {
    "it-ops": """docker docker-compose kubernetes nginx apache linux bash shell ubuntu jenkins azure-devops git cron ssh
        github-actions powershell amazon-web-services amazon-ec2 terraform ansible grafana prometheus systemd""",
    "mobile-desktop": """android ios swift swiftui objective-c xcode flutter dart kotlin xamarin maui react-native ionic
        android-studio android-layout jetpack-compose wpf winforms xaml javafx swing qt pyqt pyqt5 tkinter electron kivy
        unity3d macos user-interface uikit autolayout""",
    "ds-ml": """pandas numpy matplotlib seaborn plotly r ggplot2 dplyr shiny tidyverse tensorflow keras pytorch bokeh
        scikit-learn machine-learning deep-learning opencv jupyter-notebook matlab scipy dataframe statistics plot
        geopandas image-processing data-visualization neural-network apache-spark pyspark""",
    "front-end": """html css javascript typescript reactjs vue.js angular jquery bootstrap twitter-bootstrap bootstrap-4
        svg d3.js flexbox css-grid html-table sass canvas chart.js highcharts material-ui tailwind-css next.js svelte
        css3 html5 responsive-design leaflet google-chrome""",
    "back-end": """java spring spring-boot hibernate c# asp.net asp.net-core .net php laravel wordpress symfony ruby
        ruby-on-rails node.js express django flask fastapi go c++ c rust sql mysql postgresql sql-server sqlite mongodb
        oracle python entity-framework rest maven gradle algorithm data-structures multithreading""",
}
BY_TOPIC = {tag: category for category, tags in TAGS.items() for tag in tags.split()}


@dataclass(frozen=True)
class Classify:
    """Work of the stage `topic`: `language` and `category` in the checks. `languages` are those that are wanted."""

    languages: tuple[str, ...]

    def __call__(self, _: None, sample: Sample) -> Result[Sample]:
        tags = str(sample.checks["tags"]).split()
        language = language_of(str(sample.checks.get("language", "")), tags)
        if language not in self.languages:
            return Reject("other_language", language or "none that is known")
        category = category_of(tags)
        if category is None:
            return Reject("no_category", " ".join(tags))
        return Keep(sample.model_copy(update={"checks": sample.checks | {"language": language, "category": category}}))


def language_of(of_code: str, tags: Sequence[str]) -> str:
    """What the answer's code is in; where nothing says so, what the first tag that names a language says."""
    found = of_code or next((BY_TAG[tag] for tag in tags if tag in BY_TAG), "")
    return NAMES.get(found, found)


def category_of(tags: Sequence[str]) -> Category | None:
    """That of most tags; of equals, the rarer one: a server's question about Python is the server's."""
    counts: Counter[Category] = Counter(BY_TOPIC[tag] for tag in tags if tag in BY_TOPIC)
    best: list[Category] = sorted(counts, key=lambda category: (-counts[category], list(TAGS).index(category)))
    return best[0] if best else None
