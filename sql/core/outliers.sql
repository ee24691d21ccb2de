-- One row per value of a sale that lies far outside of its like, up to the as-of date: marked, never removed. Variables
-- and what each value is compared with: the value of an order (all orders), the quantity of a sales line
-- (lines of its category), its unit price (lines of its product if these are ten or more, else of its
-- category), events and duration of a visit (all visits). Values that are not here are no outliers: join
-- `row_key` with the order, line or session from the left, on one `variable`, and take `coalesce(is_outlier,
-- false)`.
-- Of y = ln(1 + value) the score is 0.6745 (y - median) / MAD, an outlier beyond 3.5 (Iglewicz and Hoaglin
-- 1993). Where half of the values are equal, MAD is 0: then the score is the distance of y from its quartiles
-- in interquartile ranges, an outlier beyond 3 (Tukey's far fence). No value is marked among fewer than ten
-- or without any spread (all to 1e-9, as quartiles are floating-point numbers).
with clock as (
    select k.as_of_date
    from core.clock as k
),

orders as (
    select
        o.order_id,
        o.order_value
    from core.orders as o
    inner join clock as k on o.order_date <= k.as_of_date
),

products as (
    select
        p.product_id,
        p.category
    from core.products as p
),

lines as (
    select
        s.sale_id,
        s.product_id,
        p.category,
        s.quantity,
        s.unit_price,
        count(*) over (partition by s.product_id) >= 10 as has_product_of_its_own
    from core.sales as s
    inner join clock as k on s.sold_date <= k.as_of_date
    inner join products as p on s.product_id = p.product_id
    where s.is_valid and s.line_type = 'sale'
),

-- `is_judged` tells the values that are compared from those that are only compared with.
samples as (
    select
        'order_value' as variable,
        'all orders' as compared_with,
        o.order_id as row_key,
        o.order_value as value,
        true as is_judged
    from orders as o
    union all
    select
        'line_quantity' as variable,
        'category ' || l.category as compared_with,
        l.sale_id as row_key,
        l.quantity as value,
        true as is_judged
    from lines as l
    union all
    select
        'unit_price' as variable,
        'product ' || l.product_id as compared_with,
        l.sale_id as row_key,
        l.unit_price as value,
        true as is_judged
    from lines as l
    where l.has_product_of_its_own
    union all
    select
        'unit_price' as variable,
        'category ' || l.category as compared_with,
        l.sale_id as row_key,
        l.unit_price as value,
        not l.has_product_of_its_own as is_judged
    from lines as l
),

scaled as (
    select
        s.variable,
        s.compared_with,
        s.row_key,
        s.value::numeric(18, 4) as value,
        s.is_judged,
        ln(1 + greatest(s.value, 0)::double precision) as y
    from samples as s
),

centres as (
    select
        s.variable,
        s.compared_with,
        count(*) as sample_size,
        percentile_cont(0.25) within group (order by s.y) as lower_quartile,
        percentile_cont(0.5) within group (order by s.y) as median,
        percentile_cont(0.75) within group (order by s.y) as upper_quartile
    from scaled as s
    group by s.variable, s.compared_with
),

spreads as (
    select
        s.variable,
        s.compared_with,
        percentile_cont(0.5) within group (order by abs(s.y - c.median)) as mad
    from scaled as s
    inner join centres as c on s.variable = c.variable and s.compared_with = c.compared_with
    group by s.variable, s.compared_with
),

scores as (
    select
        s.variable,
        s.compared_with,
        s.row_key,
        s.value,
        c.sample_size,
        case when d.mad > 1e-9 then 'mad' else 'tukey' end as outlier_method,
        case
            when d.mad > 1e-9 then 0.6745::double precision * (s.y - c.median) / nullif(d.mad, 0)
            when c.upper_quartile - c.lower_quartile <= 1e-9 then null
            when s.y > c.upper_quartile
                then (s.y - c.upper_quartile) / nullif(c.upper_quartile - c.lower_quartile, 0)
            else (s.y - c.lower_quartile) / nullif(c.upper_quartile - c.lower_quartile, 0)
        end as outlier_score
    from scaled as s
    inner join centres as c on s.variable = c.variable and s.compared_with = c.compared_with
    inner join spreads as d on s.variable = d.variable and s.compared_with = d.compared_with
    where s.is_judged and c.sample_size >= 10
),

final as (
    select
        case when s.variable = 'order_value' then 'core.orders' else 'core.sales' end as dataset,
        s.variable,
        s.row_key,
        s.value,
        s.compared_with,
        s.sample_size,
        s.outlier_method,
        s.outlier_score,
        true as is_outlier
    from scores as s
    where abs(s.outlier_score) - 1e-9 > case when s.outlier_method = 'mad' then 3.5 else 3 end
)

select * from final
