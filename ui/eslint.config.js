import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import globals from "globals";
import ts from "typescript-eslint";

export default defineConfig(
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [ts.configs.strictTypeChecked, hooks.configs.flat.recommended, a11y.flatConfigs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", { max: 200, skipBlankLines: true, skipComments: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    // The shell brings only what src/kit.ts names: what else Airflow lends would be missing there.
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/kit.ts", "src/shell/**", "src/testing/**"],
    rules: { "no-restricted-imports": ["error", { paths: ["@chakra-ui/react", "react-router-dom"] }] },
  },
  { files: ["src/fixtures/**", "src/api/types.ts"], rules: { "max-lines": "off" } },
  { files: ["**/*.test.*"], rules: { "@typescript-eslint/no-non-null-assertion": "off" } },
  { files: ["**/*.{mjs,js}"], languageOptions: { globals: { ...globals.node, window: "readonly" } } },
);
