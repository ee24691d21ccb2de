-- One row per first product and product of the second order: how many customers go from the one to the other.
-- The first product is that of `cohort.members`, the earliest goods of the first order; of the second order
-- every product counts. Goods only. `share` is of the customers with this first product who ordered again,
-- whatever they bought then; `lift` compares it with the share of the product among all second orders: above
-- 1 it is bought more often after this first product than otherwise. First products with few such customers
-- are not ranked.
with lines as (
    select distinct
        s.order_id,
        s.product_id
    from core.sales as s
    inner join core.products as p on s.product_id = p.product_id
    where s.is_valid and s.line_type = 'sale' and p.product_type = 'goods'
),

second_orders as (
    select
        o.order_id,
        o.customer_id,
        o.days_since_previous_order
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date and o.order_number = 2
),

first_products as (
    select
        m.customer_id,
        m.first_product_id
    from cohort.members as m
    inner join core.products as p on m.first_product_id = p.product_id
    where p.product_type = 'goods'
),

pairs as (
    select
        f.customer_id,
        f.first_product_id,
        l.product_id as second_product_id,
        o.days_since_previous_order as days
    from first_products as f
    inner join second_orders as o on f.customer_id = o.customer_id
    inner join lines as l on o.order_id = l.order_id
),

firsts as (
    select
        p.first_product_id,
        count(distinct p.customer_id) as first_customers
    from pairs as p
    group by p.first_product_id
),

seconds as (
    select
        p.second_product_id,
        count(*) as second_customers
    from pairs as p
    group by p.second_product_id
),

everybody as (
    select sum(f.first_customers) as customers
    from firsts as f
),

counted as (
    select
        p.first_product_id,
        p.second_product_id,
        count(*) as customers,
        percentile_cont(0.5) within group (order by p.days::double precision) as median_days
    from pairs as p
    group by p.first_product_id, p.second_product_id
),

rated as (
    select
        c.first_product_id,
        c.second_product_id,
        c.customers,
        f.first_customers,
        s.second_customers,
        e.customers as all_customers,
        c.median_days,
        f.first_customers < r.min_group_size as low_n
    from counted as c
    inner join firsts as f on c.first_product_id = f.first_product_id
    inner join seconds as s on c.second_product_id = s.second_product_id
    cross join everybody as e
    cross join core.parameters as r
),

final as (
    select
        r.first_product_id,
        p.product_name as first_product_name,
        r.second_product_id,
        q.product_name as second_product_name,
        q.category as second_category,
        r.first_product_id = r.second_product_id as is_same_product,
        r.customers,
        r.first_customers,
        r.customers::double precision / nullif(r.first_customers, 0) as share,
        r.second_customers,
        r.all_customers,
        (r.customers * r.all_customers)::double precision / nullif(r.first_customers * r.second_customers, 0)
            as lift,
        r.median_days,
        case
            when not r.low_n
                then row_number() over (
                    partition by r.first_product_id order by r.customers desc, r.second_product_id
                )
        end as rank,
        r.low_n
    from rated as r
    left join core.products as p on r.first_product_id = p.product_id
    left join core.products as q on r.second_product_id = q.product_id
)

select * from final
