/**
 * The components that the pages share with Airflow. They are imported from here alone: outside Airflow, shell.js
 * brings exactly these.
 */
export {
  Alert,
  Badge,
  Box,
  Button,
  Code,
  Dialog,
  Drawer,
  EmptyState,
  Field,
  Flex,
  Grid,
  HStack,
  Heading,
  Input,
  Link,
  NativeSelect,
  Portal,
  Separator,
  Skeleton,
  Spinner,
  Stack,
  Table,
  Tabs,
  Text,
  VisuallyHidden,
  Wrap,
  chakra,
} from "@chakra-ui/react";
export { Link as RouterLink, useSearchParams } from "react-router-dom";
