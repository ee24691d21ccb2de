-- What do people buy second, after their first product?
-- The ten products that most second orders hold, whatever the first product was (`after` is `any product`),
-- and then the twenty most frequent ways from a first product to one of the second order. The first product
-- is the one on which a customer spent most in the first order. `share` is of the customers with this first
-- product who ordered goods again; with `lift` above 1 the product is bought more often after this first
-- product than after others. Few customers (`low_n`) prove nothing.
with pairs as (
    select
        p.first_product_id,
        p.first_product_name,
        p.second_product_id,
        p.second_product_name,
        p.second_category,
        p.customers,
        p.first_customers,
        p.share,
        p.second_customers,
        p.all_customers,
        p.lift,
        p.median_days,
        p.low_n
    from customer.second_products as p
),

parameters as (
    select k.min_group_size
    from core.parameters as k
),

overall as (
    select distinct
        p.second_product_id,
        p.second_product_name,
        p.second_category,
        p.second_customers,
        p.all_customers
    from pairs as p
),

ranked as (
    select
        1 as sort_order,
        row_number() over (order by o.second_customers desc, o.second_product_id) as rank,
        'any product' as after,
        null as first_product_id,
        o.second_product_id,
        o.second_product_name,
        o.second_category,
        o.second_customers as customers,
        o.all_customers as first_customers,
        o.second_customers::double precision / nullif(o.all_customers, 0) as share,
        null as lift,
        null as median_days,
        o.all_customers < k.min_group_size as low_n
    from overall as o
    cross join parameters as k
    union all
    select
        2 as sort_order,
        row_number() over (
            order by p.customers desc, p.lift desc, p.first_product_id, p.second_product_id
        ) as rank,
        p.first_product_name as after,
        p.first_product_id,
        p.second_product_id,
        p.second_product_name,
        p.second_category,
        p.customers,
        p.first_customers,
        p.share,
        p.lift,
        p.median_days,
        p.low_n
    from pairs as p
),

final as (
    select
        r.after,
        r.first_product_id,
        r.rank,
        r.second_product_id,
        r.second_product_name,
        r.second_category,
        r.customers,
        r.first_customers,
        r.share,
        r.lift,
        r.median_days,
        r.low_n,
        r.sort_order
    from ranked as r
    where r.rank <= case r.sort_order when 1 then 10 else 20 end
)

select * from final
order by sort_order, rank
