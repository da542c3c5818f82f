"""The engine. A task's way: declare → submit → (store) → claim → run → finish → (store) → look up."""
