-- One row per grain (day, week, month, quarter, year) and period from the first day of the data to the as-of
-- date. `kpi.daily` to `kpi.yearly` are its slices; read those, or this one where a dashboard switches the
-- grain. Money stands on the day of its line, returns on the day of the return; an order counts where it
-- began. Periods without sales are there, with zeros. Growth compares complete periods only (`growth_note`
-- says why it is NULL): `_growth` with the period before, `_yoy` with the one a year before (days and weeks:
-- 52 weeks before, the same weekday); for the running period `to_date_growth` compares equally many days. In
-- periods that are left censored old customers look new, so that growth of new customers does not compare
-- with them. Return rates are those of `kpi.return_rates`: of what was ordered in the period, whenever it
-- came back.
with clock as (
    select
        c.data_begin_date,
        c.as_of_date,
        c.as_of_is_set,
        c.currency,
        case
            when not p.data_begin_is_shop_begin
                then (date_trunc('month', c.first_sale_date) + interval '1 month')::date
        end as censored_before,
        p.inactive_after_months
    from core.clock as c
    cross join core.parameters as p
),

calendar as (
    select
        d.day,
        d.week,
        d.month,
        d.quarter,
        d.year,
        d.week_name,
        d.month_name,
        d.quarter_name,
        d.year_name
    from core.calendar as d
    cross join clock as c
    where d.day <= c.as_of_date
),

customers as (
    select
        c.join_date as day,
        count(*) as registrations
    from core.customers as c
    cross join clock as k
    where c.join_date <= k.as_of_date
    group by c.join_date
),

outliers as (
    select x.row_key as order_id
    from core.outliers as x
    where x.variable = 'order_value' and x.is_outlier
),

returns as (
    select
        r.grain,
        r.period,
        r.ordered_value,
        r.returned_value,
        r.return_rate,
        r.ordered_value_30d,
        r.returned_value_30d,
        r.return_rate_30d,
        r.ordered_value_60d,
        r.returned_value_60d,
        r.return_rate_60d,
        r.returns_to_link,
        r.returns_linked,
        r.linked_return_share
    from kpi.return_rates as r
),

orders as (
    select
        o.order_id,
        o.order_date as day,
        o.customer_id,
        o.is_first_order,
        min(o.order_date) over (partition by o.customer_id) as first_order_date,
        coalesce(
            o.previous_order_date < (o.order_date - c.inactive_after_months * interval '1 month')::date,
            false
        ) as is_reactivation,
        o.order_value,
        o.order_net_value,
        x.order_id is not null as is_outlier
    from core.orders as o
    cross join clock as c
    left join outliers as x on o.order_id = x.order_id
),

daily as (
    select
        s.sold_date as day,
        sum(s.gross_sales) as gross_sales,
        sum(s.discounts) as discounts,
        sum(s.returns) as returns,
        sum(s.net_sales) as net_sales,
        sum(s.quantity) filter (where s.is_valid and s.line_type = 'sale') as units,
        sum(-s.quantity) filter (where s.is_valid and s.line_type = 'return') as units_returned,
        sum(s.shipping_amount) filter (where s.is_valid) as shipping,
        sum(s.tax_amount) filter (where s.is_valid) as tax,
        sum(s.net_sales) filter (where s.is_guest) as guest_net_sales,
        count(*) filter (where not s.is_valid) as excluded_lines
    from core.sales as s
    group by s.sold_date
),

slices as (
    select 'day' as grain, c.day, c.day as period, c.day::text as period_name from calendar as c
    union all
    select 'week' as grain, c.day, c.week as period, c.week_name as period_name from calendar as c
    union all
    select 'month' as grain, c.day, c.month as period, c.month_name as period_name from calendar as c
    union all
    select 'quarter' as grain, c.day, c.quarter as period, c.quarter_name as period_name from calendar as c
    union all
    select 'year' as grain, c.day, c.year as period, c.year_name as period_name from calendar as c
),

steps as (
    select 'day' as grain, interval '1 day' as length, interval '364 days' as year_length
    union all
    select 'week' as grain, interval '7 days' as length, interval '364 days' as year_length
    union all
    select 'month' as grain, interval '1 month' as length, interval '12 months' as year_length
    union all
    select 'quarter' as grain, interval '3 months' as length, interval '12 months' as year_length
    union all
    select 'year' as grain, interval '12 months' as length, interval '12 months' as year_length
),

spine as (
    select distinct
        s.grain,
        s.period,
        s.period_name,
        (s.period + t.length)::date - 1 as period_end,
        (s.period - t.length)::date as previous_period,
        (s.period - t.year_length)::date as year_ago_period
    from slices as s
    inner join steps as t on s.grain = t.grain
),

money as (
    select
        s.grain,
        s.period,
        sum(d.gross_sales) as gross_sales,
        sum(d.discounts) as discounts,
        sum(d.returns) as returns,
        sum(d.net_sales) as net_sales,
        sum(d.units) as units,
        sum(d.units_returned) as units_returned,
        sum(d.shipping) as shipping,
        sum(d.tax) as tax,
        sum(d.guest_net_sales) as guest_net_sales,
        sum(d.excluded_lines) as excluded_lines
    from slices as s
    inner join daily as d on s.day = d.day
    group by s.grain, s.period
),

registered as (
    select
        s.grain,
        s.period,
        sum(j.registrations) as registrations
    from spine as s
    inner join customers as j on s.period <= j.day and j.day <= s.period_end
    group by s.grain, s.period
),

ordered as (
    select
        s.grain,
        s.period,
        count(*) as orders,
        count(*) filter (where o.customer_id is null) as guest_orders,
        count(*) filter (where o.is_first_order) as first_orders,
        count(*) filter (where o.is_outlier) as outlier_orders,
        count(distinct o.customer_id) as active_customers,
        count(distinct o.customer_id) filter (where o.is_first_order) as new_customers,
        count(distinct o.customer_id) filter (where o.is_reactivation and o.first_order_date < s.period)
            as reactivated_customers,
        sum(o.order_net_value) as orders_net_value,
        sum(o.order_value) filter (where not o.is_outlier) as usual_order_value,
        percentile_cont(0.5) within group (order by o.order_value::double precision) as median_order_value
    from slices as s
    inner join orders as o on s.day = o.day
    group by s.grain, s.period
),

periods as (
    select
        s.grain,
        s.period,
        s.period_name,
        s.period_end,
        s.previous_period,
        s.year_ago_period,
        c.currency,
        coalesce(m.gross_sales, 0) as gross_sales,
        coalesce(m.discounts, 0) as discounts,
        coalesce(m.returns, 0) as returns,
        coalesce(m.net_sales, 0) as net_sales,
        coalesce(m.shipping, 0) as shipping,
        coalesce(m.tax, 0) as tax,
        coalesce(m.units, 0) as units,
        coalesce(m.units_returned, 0) as units_returned,
        coalesce(m.guest_net_sales, 0) as guest_net_sales,
        coalesce(m.excluded_lines, 0) as excluded_lines,
        coalesce(o.orders, 0) as orders,
        coalesce(o.guest_orders, 0) as guest_orders,
        coalesce(o.first_orders, 0) as first_orders,
        coalesce(o.outlier_orders, 0) as outlier_orders,
        coalesce(o.active_customers, 0) as active_customers,
        coalesce(o.new_customers, 0) as new_customers,
        coalesce(o.reactivated_customers, 0) as reactivated_customers,
        case when exists (select 1 from customers as j) then coalesce(j.registrations, 0) end
            as registrations,
        (coalesce(m.gross_sales - m.discounts, 0) / nullif(o.orders, 0))::numeric(18, 4) as aov,
        coalesce(m.gross_sales - m.discounts, 0)::double precision / nullif(o.orders, 0) as unrounded_aov,
        (o.orders_net_value / nullif(o.orders, 0))::numeric(18, 4) as aov_net,
        (o.usual_order_value / nullif(o.orders - o.outlier_orders, 0))::numeric(18, 4) as aov_ex_outliers,
        o.median_order_value::numeric(18, 4) as median_order_value,
        c.data_begin_date <= s.period
        and (s.period_end < c.as_of_date or (s.period_end = c.as_of_date and c.as_of_is_set)) as is_complete,
        s.period_end > c.as_of_date or (s.period_end = c.as_of_date and not c.as_of_is_set) as is_running,
        coalesce(s.period < c.censored_before, false) as is_left_censored,
        (c.as_of_date - s.period)::int as elapsed_days
    from spine as s
    cross join clock as c
    left join money as m on s.grain = m.grain and s.period = m.period
    left join ordered as o on s.grain = o.grain and s.period = o.period
    left join registered as j on s.grain = j.grain and s.period = j.period
),

to_date as (
    select
        p.grain,
        p.period,
        coalesce(sum(d.net_sales), 0) as net_sales_prev_to_date
    from periods as p
    inner join periods as b on p.grain = b.grain and p.previous_period = b.period and b.is_complete
    inner join slices as s
        on b.grain = s.grain and b.period = s.period and s.day <= b.period + p.elapsed_days
    left join daily as d on s.day = d.day
    where p.is_running
    group by p.grain, p.period
),

final as (
    select
        p.grain,
        p.period,
        p.period_name,
        p.period_end,
        p.is_complete,
        p.is_left_censored,
        p.currency,
        p.gross_sales,
        p.discounts,
        p.discounts::double precision / nullif(p.gross_sales, 0) as discount_rate,
        p.returns,
        p.net_sales,
        p.shipping,
        p.tax,
        p.net_sales + p.shipping + p.tax as total_sales,
        p.orders,
        p.units,
        p.units_returned,
        p.units::double precision / nullif(p.orders, 0) as units_per_order,
        ((p.gross_sales - p.discounts) / nullif(p.units, 0))::numeric(18, 4) as price_per_unit,
        p.aov,
        p.aov_net,
        p.outlier_orders,
        p.aov_ex_outliers,
        p.median_order_value,
        p.active_customers,
        p.new_customers,
        p.active_customers - p.new_customers as returning_customers,
        p.reactivated_customers,
        p.registrations,
        p.new_customers::double precision / nullif(p.active_customers, 0) as acquisition_rate,
        p.new_customers::double precision / nullif(p.active_customers - p.new_customers, 0)
            as new_to_returning_ratio,
        p.first_orders,
        p.orders - p.first_orders - p.guest_orders as repeat_orders,
        (p.orders - p.guest_orders)::double precision / nullif(p.active_customers, 0) as orders_per_customer,
        p.guest_orders,
        p.guest_net_sales,
        p.excluded_lines,
        r.ordered_value,
        r.returned_value,
        r.return_rate,
        r.ordered_value_30d,
        r.returned_value_30d,
        r.return_rate_30d,
        r.ordered_value_60d,
        r.returned_value_60d,
        r.return_rate_60d,
        r.returns_to_link,
        r.returns_linked,
        r.linked_return_share,
        b.net_sales as net_sales_prev,
        p.net_sales - b.net_sales as net_sales_change,
        (p.net_sales - g.net_sales)::double precision / nullif(greatest(g.net_sales, 0), 0)
            as net_sales_growth,
        a.net_sales as net_sales_year_ago,
        (p.net_sales - y.net_sales)::double precision / nullif(greatest(y.net_sales, 0), 0) as net_sales_yoy,
        b.orders as orders_prev,
        p.orders - b.orders as orders_change,
        (p.orders - g.orders)::double precision / nullif(g.orders, 0) as orders_growth,
        a.orders as orders_year_ago,
        (p.orders - y.orders)::double precision / nullif(y.orders, 0) as orders_yoy,
        b.units as units_prev,
        p.units - b.units as units_change,
        (p.units - g.units)::double precision / nullif(g.units, 0) as units_growth,
        a.units as units_year_ago,
        (p.units - y.units)::double precision / nullif(y.units, 0) as units_yoy,
        b.aov as aov_prev,
        p.aov - b.aov as aov_change,
        (p.unrounded_aov - g.unrounded_aov) / nullif(g.unrounded_aov, 0) as aov_growth,
        a.aov as aov_year_ago,
        (p.unrounded_aov - y.unrounded_aov) / nullif(y.unrounded_aov, 0) as aov_yoy,
        b.active_customers as active_customers_prev,
        p.active_customers - b.active_customers as active_customers_change,
        (p.active_customers - g.active_customers)::double precision / nullif(g.active_customers, 0)
            as active_customers_growth,
        a.active_customers as active_customers_year_ago,
        (p.active_customers - y.active_customers)::double precision / nullif(y.active_customers, 0)
            as active_customers_yoy,
        b.new_customers as new_customers_prev,
        p.new_customers - b.new_customers as new_customers_change,
        case
            when not g.is_left_censored
                then (p.new_customers - g.new_customers)::double precision / nullif(g.new_customers, 0)
        end as new_customers_growth,
        a.new_customers as new_customers_year_ago,
        case
            when not y.is_left_censored
                then (p.new_customers - y.new_customers)::double precision / nullif(y.new_customers, 0)
        end as new_customers_yoy,
        t.net_sales_prev_to_date,
        (p.net_sales - t.net_sales_prev_to_date)::double precision
        / nullif(greatest(t.net_sales_prev_to_date, 0), 0) as to_date_growth,
        case
            when b.period is null then 'no_base'
            when g.period is null then 'incomplete'
            when g.net_sales <= 0 then 'non_positive_base'
        end as growth_note,
        case
            when a.period is null then 'no_base'
            when y.period is null then 'incomplete'
            when y.net_sales <= 0 then 'non_positive_base'
        end as yoy_note
    from periods as p
    inner join returns as r on p.grain = r.grain and p.period = r.period
    left join periods as b on p.grain = b.grain and p.previous_period = b.period
    left join periods as g on b.grain = g.grain and b.period = g.period and g.is_complete and p.is_complete
    left join periods as a on p.grain = a.grain and p.year_ago_period = a.period
    left join periods as y on a.grain = y.grain and a.period = y.period and y.is_complete and p.is_complete
    left join to_date as t on p.grain = t.grain and p.period = t.period
)

select * from final
