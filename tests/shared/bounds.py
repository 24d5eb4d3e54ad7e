"""The oldest version of each package that setup.cfg allows, as constraints for pip: `make bounds` installs them."""

from configparser import ConfigParser

from places import ROOT


def bounds() -> dict[str, str]:
    """Package -> version. Every package has one lower bound, and no upper one."""
    configuration = ConfigParser()
    configuration.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = [configuration["options"]["install_requires"], *configuration["options.extras_require"].values()]
    lines = [line for text in lists for line in text.split() if not line.startswith("tinygrad_course[")]
    return dict(line.split(">=") for line in lines)  # type: ignore[misc]


def main() -> None:
    for package, version in bounds().items():
        print(f"{package}=={version}")


if __name__ == "__main__":
    main()
