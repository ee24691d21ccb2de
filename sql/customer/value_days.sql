-- One row per customer and day with a valid sales line, up to the as-of date: its money, and that of its orders. A day
-- whose orders are worth nothing less than nothing is a purchase occasion; `days_since` is the time since the day
-- with an order before.
with clock as (
    select c.as_of_date
    from core.clock as c
),

days as (
    select
        s.customer_id,
        s.sold_date,
        sum(s.gross_sales) as gross_sales,
        sum(s.discounts) as discounts,
        sum(s.returns) as returns,
        sum(s.net_sales) as net_sales,
        sum(s.gross_sales - s.discounts) filter (where s.line_type = 'sale') as order_value
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null and s.is_valid and s.sold_date <= c.as_of_date
    group by s.customer_id, s.sold_date
),

final as (
    select
        d.customer_id,
        d.sold_date,
        d.gross_sales,
        d.discounts,
        d.returns,
        d.net_sales,
        d.order_value,
        case
            when d.order_value is not null
                then d.sold_date
                    - lag(d.sold_date) over (partition by d.customer_id, d.order_value is null order by d.sold_date)
        end as days_since,
        coalesce(d.order_value >= 0, false) as is_occasion,
        d.order_value >= 0
        and row_number() over (partition by d.customer_id, d.order_value >= 0 order by d.sold_date) = 1
            as is_first_occasion
    from days as d
)

select
    f.customer_id,
    f.sold_date,
    f.gross_sales,
    f.discounts,
    f.returns,
    f.net_sales,
    f.order_value,
    f.days_since,
    f.is_occasion,
    coalesce(f.is_first_occasion, false) as is_first_occasion
from final as f
