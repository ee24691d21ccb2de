-- How did last month go?
-- One row per headline figure: its value in the last complete month, in the month before and in the same
-- month a year before. `growth` and `yoy` are relative changes, 0.1 is a tenth more; NULL where the other
-- month is missing, not complete or not above 0. Why sales changed is answered by `why_sales_changed`.
with months as (
    select
        m.period,
        m.period_name,
        m.is_complete,
        m.net_sales,
        m.net_sales_prev,
        m.net_sales_growth,
        m.net_sales_year_ago,
        m.net_sales_yoy,
        m.orders,
        m.orders_prev,
        m.orders_growth,
        m.orders_year_ago,
        m.orders_yoy,
        m.units,
        m.units_prev,
        m.units_growth,
        m.units_year_ago,
        m.units_yoy,
        m.aov,
        m.aov_prev,
        m.aov_growth,
        m.aov_year_ago,
        m.aov_yoy,
        m.active_customers,
        m.active_customers_prev,
        m.active_customers_growth,
        m.active_customers_year_ago,
        m.active_customers_yoy,
        m.new_customers,
        m.new_customers_prev,
        m.new_customers_growth,
        m.new_customers_year_ago,
        m.new_customers_yoy,
        m.currency
    from kpi.monthly as m
),

last_complete as (
    select max(m.period) as period
    from months as m
    where m.is_complete
),

last_row as (
    select
        m.period_name,
        m.net_sales,
        m.net_sales_prev,
        m.net_sales_growth,
        m.net_sales_year_ago,
        m.net_sales_yoy,
        m.orders,
        m.orders_prev,
        m.orders_growth,
        m.orders_year_ago,
        m.orders_yoy,
        m.units,
        m.units_prev,
        m.units_growth,
        m.units_year_ago,
        m.units_yoy,
        m.aov,
        m.aov_prev,
        m.aov_growth,
        m.aov_year_ago,
        m.aov_yoy,
        m.active_customers,
        m.active_customers_prev,
        m.active_customers_growth,
        m.active_customers_year_ago,
        m.active_customers_yoy,
        m.new_customers,
        m.new_customers_prev,
        m.new_customers_growth,
        m.new_customers_year_ago,
        m.new_customers_yoy,
        m.currency
    from months as m
    inner join last_complete as l on m.period = l.period
),

final as (
    select
        'net_sales' as figure,
        'money' as unit,
        r.period_name,
        r.net_sales as amount,
        r.net_sales_prev as amount_month_before,
        r.net_sales_growth as growth,
        r.net_sales_year_ago as amount_year_before,
        r.net_sales_yoy as yoy,
        r.currency,
        1 as sort_order
    from last_row as r
    union all
    select
        'orders' as figure,
        'count' as unit,
        r.period_name,
        r.orders as amount,
        r.orders_prev as amount_month_before,
        r.orders_growth as growth,
        r.orders_year_ago as amount_year_before,
        r.orders_yoy as yoy,
        r.currency,
        2 as sort_order
    from last_row as r
    union all
    select
        'aov' as figure,
        'money' as unit,
        r.period_name,
        r.aov as amount,
        r.aov_prev as amount_month_before,
        r.aov_growth as growth,
        r.aov_year_ago as amount_year_before,
        r.aov_yoy as yoy,
        r.currency,
        3 as sort_order
    from last_row as r
    union all
    select
        'units' as figure,
        'units' as unit,
        r.period_name,
        r.units as amount,
        r.units_prev as amount_month_before,
        r.units_growth as growth,
        r.units_year_ago as amount_year_before,
        r.units_yoy as yoy,
        r.currency,
        4 as sort_order
    from last_row as r
    union all
    select
        'active_customers' as figure,
        'count' as unit,
        r.period_name,
        r.active_customers as amount,
        r.active_customers_prev as amount_month_before,
        r.active_customers_growth as growth,
        r.active_customers_year_ago as amount_year_before,
        r.active_customers_yoy as yoy,
        r.currency,
        5 as sort_order
    from last_row as r
    union all
    select
        'new_customers' as figure,
        'count' as unit,
        r.period_name,
        r.new_customers as amount,
        r.new_customers_prev as amount_month_before,
        r.new_customers_growth as growth,
        r.new_customers_year_ago as amount_year_before,
        r.new_customers_yoy as yoy,
        r.currency,
        6 as sort_order
    from last_row as r
)

select * from final
order by sort_order
