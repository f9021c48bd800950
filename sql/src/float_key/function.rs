//! `float_key(x)`: the same float, zeros and every `NaN` having the same bits. Only the rule writes it into plans.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{ArrayRef, Float32Array};
use arrow_cast::cast;
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::from(FloatKey { signature }))
});

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct FloatKey {
    signature: Signature,
}

impl FloatKey {
    /// The function of a float.
    pub(super) fn of(expr: Expr) -> Expr {
        FUNCTION.call(vec![expr])
    }

    /// What the function is called with, if the expression is a call of it.
    pub(crate) fn argument(expr: &Expr) -> Option<&Expr> {
        match expr {
            Expr::Alias(alias) => Self::argument(&alias.expr),
            Expr::ScalarFunction(call) if call.func.inner().is::<Self>() => call.args.first(),
            _ => None,
        }
    }
}

impl ScalarUDFImpl for FloatKey {
    fn name(&self) -> &'static str {
        "float_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [of] if of.is_floating() => Ok(of.clone()),
            _ => internal_err!("float_key of {types:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(float_keys(values)?)),
            [ColumnarValue::Scalar(value)] => {
                let keys = float_keys(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&keys, 0)?))
            }
            other => internal_err!("float_key of {} arguments", other.len()),
        }
    }
}

/// Floats as keys, other values as they are. The sum of both zeros is the positive one.
pub(crate) fn float_keys(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Float64 => {
            let key = |x: f64| if x.is_nan() { f64::NAN } else { x + 0.0 };
            Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(key))
        }
        DataType::Float32 => Arc::new(narrow_keys(values.as_primitive())),
        DataType::Float16 => {
            let wide = cast(values, &DataType::Float32)?;
            cast(&narrow_keys(wide.as_primitive()), &DataType::Float16)?
        }
        _ => Arc::clone(values),
    })
}

fn narrow_keys(values: &Float32Array) -> Float32Array {
    values.unary::<_, Float32Type>(|x| if x.is_nan() { f32::NAN } else { x + 0.0 })
}
