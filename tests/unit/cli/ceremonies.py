"""Two countries and an operator, each with folders of its own, who found a realm by files alone."""

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from broker.assembly.realm import operator_keys
from broker.cli.deployment import create
from broker.config import GatewaySettings, load
from broker.directory.tuf import RemoteDirectory
from broker.directory.tuf_repository import Operator, Repository
from tests.unit.directory.realm import Clock, Gateway

DAY = 86_400


@dataclass
class Ceremony:
    """`setu`: the command line. Each country's folder is its own machine; `post` is what travels."""

    setu: object
    path: Path
    now: float = field(default_factory=time.time)

    @property
    def config(self):
        return self.path / "operator" / "setu.toml"

    @property
    def repository(self):
        return self.path / "operator" / "directory"

    @property
    def post(self):
        return self.path / "post"

    def keys(self, country):
        return self.path / country / "keys"

    def run(self, *words):
        said = self.setu(*words, "--json")
        assert said.status == 0, said.err
        return said.json()

    def make_keys(self, country, *words):
        self.run("keys", "generate", self.keys(country), "--for", "country", "--country", country, *words)

    def share(self, country, name=None):
        out = self.post / (name or f"{country}.share.json")
        self.run("realm", "share", "--keys", self.keys(country), "--country", country, "--out", out)
        return out

    def held(self, country):
        """The words by which a country names its own copy of what is in force, and the root that it pinned."""
        copy = self.path / country / "in-force"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.repository, copy)
        return ["--in-force", copy, "--root", self.path / "pinned.json"]

    def new(self, name, *words, holder="IND"):
        out = self.post / name
        held = self.held(holder) if (self.repository / "metadata").exists() else []
        self.run("realm", "new", out, *words, *held)
        return out

    def sign(self, country, proposal, *words, keys=None):
        """Signed by a country's keys, or by those of them named."""
        out = self.post / f"{proposal.stem}.{country}.{len(list(self.post.iterdir()))}.json"
        held = self.held(country) if (self.repository / "metadata").exists() else []
        fingerprint = self.run("realm", "show", proposal, *held)["fingerprint"]
        places = [self.keys(country)] if keys is None else [self.keys(country) / each for each in keys]
        named = [word for place in places for word in ("--keys", place)]
        self.run("realm", "sign", proposal, *named, "--out", out, "--fingerprint", fingerprint, *held, *words)
        return out

    def publish(self, *files):
        return self.setu("realm", "publish", *files, "--config", self.config, "--json")

    def found(self, *words):
        """To the end: keys, shares, proposal, signatures of both, published, pinned."""
        for country in ("IND", "USA"):
            self.make_keys(country)
        shares = [word for country in ("IND", "USA") for word in ("--share", self.share(country))]
        drafts = self.path / "operator" / "realm"
        proposal = self.new(
            "founding.json",
            *shares,
            *("--share", drafts / "operator.share.json", "--document", drafts / "directory.json"),
            *words,
        )
        done = self.publish(*(self.sign(country, proposal) for country in ("IND", "USA")))
        assert done.status == 0, done.err
        shutil.copyfile(self.repository / "root.json", self.path / "pinned.json")
        return proposal

    def reader(self, name="reader", at=None):
        """An agency's program with the pinned root and a cache of its own."""
        clock = Clock(at if at is not None else time.time())
        pinned = (self.path / "pinned.json").read_bytes()
        return RemoteDirectory(Gateway(self.repository), pinned, self.path / name, clock)

    def renew_operator(self, at):
        """What a running gateway does each hour, at another time."""
        settings = load(GatewaySettings, self.config)
        keys = operator_keys(settings.at(settings.paths.realm_keys))
        Repository(self.repository, Clock(at)).renew(Operator(*keys))

    def document(self, **over):
        """The directory in force, changed, under the next version."""
        held = json.loads(self.reader(f"as-of-{time.time_ns()}").refresh().raw)
        changed = held | {"version": held["version"] + 1} | over
        path = self.post / f"directory-{time.time_ns()}.json"
        path.write_text(json.dumps(changed))
        return path


def begun(setu, path):
    """The operator's deployment, with no realm yet."""
    (path / "post").mkdir(parents=True)
    create(path / "operator", ceremony=True)
    return Ceremony(setu, path)
