"""A real browser: Chromium without a window, driven through chromedriver."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

WAIT = 30.0
MOST_TABS = 60
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """What a person does with a page; each step waits until it can be done."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    @classmethod
    def start(cls, url: str) -> Browser:
        """Skips the test where there is no Chromium."""
        program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
        driver = shutil.which("chromedriver")
        if program is None or driver is None:
            pytest.skip("there is no Chromium here: apt-get install -y chromium chromium-driver")
        options = ChromeOptions()
        options.binary_location = program
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "ignore")
        return cls(Chrome(options=options, service=ChromeService(driver)), url)

    def quit(self) -> None:
        self.driver.quit()

    def open(self, place: str = "#/overview") -> None:
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/dashboard/{place}")

    def go(self, place: str) -> None:
        """To another view of the page that is open."""
        self.driver.execute_script("location.hash = arguments[0]", place)

    def sign_in(self, token: str) -> None:
        self.forget()
        self.open(f"#token={token}")
        self.see(".frame")

    def forget(self) -> None:
        """As if it had never been here."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def size(self, width: int, height: int = 900, scheme: str = "light") -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """At one moment, whatever the page is about to draw anew."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText.trim())"
        found: list[str] = self.driver.execute_script(script, selector)
        return found

    def until(self, found: Callable[[], Any], what: str) -> Any:
        return WebDriverWait(self.driver, WAIT, poll_frequency=0.05).until(lambda _: found(), what)

    def see(self, selector: str, text: str = "") -> None:
        """Wait until there is such an element, with this text in it."""
        self.until(
            lambda: any(text in said for said in self.texts(selector)),
            f"{text!r} in {selector}; there is {self.texts(selector)[:5]}",
        )

    def gone(self, selector: str) -> None:
        self.until(lambda: not self.all(selector), f"{selector} is still there")

    def click(self, selector: str) -> None:
        """As often as it takes: what is drawn anew under the hand is no other button."""
        script = "const one = document.querySelector(arguments[0]); if (one) one.click(); return !!one"
        self.until(lambda: self.driver.execute_script(script, selector), f"{selector} to click")

    def type(self, selector: str, text: str) -> None:
        self.see(selector)
        field = self.all(selector)[0]
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def tab_to(self, selector: str, back: bool = False) -> None:
        """With the Tab key alone."""
        script = "return document.activeElement.matches(arguments[0])"
        for _ in range(MOST_TABS):
            chain = ActionChains(self.driver)
            (chain.key_down(Keys.SHIFT) if back else chain).send_keys(Keys.TAB)
            (chain.key_up(Keys.SHIFT) if back else chain).perform()
            if self.driver.execute_script(script, selector):
                return
        raise AssertionError(f"{selector} is not reached with Tab")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    @property
    def place(self) -> str:
        said: str = self.run("location.hash")
        return said

    def complaints(self) -> list[str]:
        """What the browser had to complain of: errors, refused code, exceptions."""
        log: list[dict[str, Any]] = self.driver.get_log("browser")
        return [line["message"] for line in log if line["level"] in ("SEVERE", "WARNING")]
