"""The GraphQL surface that the official `labelbox` package speaks: translated, decided nowhere here."""
